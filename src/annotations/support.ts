import type { AnnotationQuery, AnnotationSupport } from '@grafana/data';
import { of } from 'rxjs';
import { AnnotationEditor } from '../components/AnnotationEditor.tsx';
import { DEFAULT_ANNOTATION, DEFAULT_ANNOTATION_QUERY } from '../query/defaults.ts';
import { migrateQuery } from '../query/migrate.ts';
import type { UserpulseQuery } from '../types.ts';
import { annotationEvents } from './events.ts';

/** The query of an annotation, however it was saved. */
export function annotationQuery(saved: unknown): UserpulseQuery {
  const fields = typeof saved === 'object' && saved !== null ? saved : {};
  const query = migrateQuery({ ...DEFAULT_ANNOTATION_QUERY, ...fields });
  // What marks creation are share ids, whatever else was chosen before.
  return query.annotation?.kind === 'created' ? { ...query, preset: 'share' } : query;
}

export const annotationSupport: AnnotationSupport<UserpulseQuery> = {
  QueryEditor: AnnotationEditor,
  getDefaultQuery: () => DEFAULT_ANNOTATION_QUERY,
  prepareAnnotation: (saved: AnnotationQuery<UserpulseQuery>) => ({ ...saved, target: annotationQuery(saved.target) }),
  prepareQuery: ({ target }) => annotationQuery(target),
  processEvents: ({ target }, frames) =>
    of(annotationEvents(annotationQuery(target).annotation ?? DEFAULT_ANNOTATION, frames)),
};
