import type { BucketRole } from '../../backend/src/schema/buckets.ts';

export * from '../../backend/src/schema/points.ts';

/** A fake for a comparison: the one point that the peers write, in `interactions_made`. See same-work.ts. */
export const rolesOf = (): readonly BucketRole[] => MADE;

const MADE: readonly BucketRole[] = ['made'];
