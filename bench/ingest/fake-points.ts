import type { InteractionEvent } from '../../backend/src/event/event.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { pointsOf as allPointsOf, renderLine, type Point } from '../../backend/src/schema/points.ts';

export { renderLine };

/** A fake for a comparison: the one point that the peers write, in `interactions_made`. See same-work.ts. */
export const pointsOf = (event: InteractionEvent, schema: Schema): Point[] =>
  allPointsOf({ ...event, receiverId: undefined, shareId: undefined }, schema).slice(0, 1);
