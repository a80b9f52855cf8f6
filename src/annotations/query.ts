import { DEFAULT_ANNOTATION_QUERY } from '../query/defaults.ts';
import { readSaved, type Saved } from '../query/saved.ts';
import type { UserpulseQuery } from '../types.ts';

/** The query of an annotation, however it was saved. */
export function annotationQuery(saved: unknown): Saved<UserpulseQuery> {
  const fields = typeof saved === 'object' && saved !== null ? saved : {};
  const read = readSaved({ ...DEFAULT_ANNOTATION_QUERY, ...fields });
  // What marks creation are share ids, whatever else was chosen before.
  return read.query.annotation?.kind === 'created' ? { ...read, query: { ...read.query, preset: 'share' } } : read;
}

/** What an annotation asks: its query with all defaults, or, where something is wrong with it, what was saved, for the backend to refuse. */
export function askedByAnnotation(saved: unknown): UserpulseQuery {
  const { query, problems } = annotationQuery(saved);
  return problems.size > 0 ? { ...query, ...(saved as object) } : query;
}
