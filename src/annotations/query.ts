import { DEFAULT_ANNOTATION_QUERY } from '../query/defaults.ts';
import { migrateQuery } from '../query/migrate.ts';
import type { UserpulseQuery } from '../types.ts';

/** The query of an annotation, however it was saved. */
export function annotationQuery(saved: unknown): UserpulseQuery {
  const fields = typeof saved === 'object' && saved !== null ? saved : {};
  const query = migrateQuery({ ...DEFAULT_ANNOTATION_QUERY, ...fields });
  // What marks creation are share ids, whatever else was chosen before.
  return query.annotation?.kind === 'created' ? { ...query, preset: 'share' } : query;
}
