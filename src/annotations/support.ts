import type { AnnotationQuery, AnnotationSupport } from '@grafana/data';
import { of } from 'rxjs';
import { AnnotationEditor } from '../components/AnnotationEditor.tsx';
import { DEFAULT_ANNOTATION, DEFAULT_ANNOTATION_QUERY } from '../query/defaults.ts';
import type { UserpulseQuery } from '../types.ts';
import { annotationEvents } from './events.ts';
import { annotationQuery, askedByAnnotation } from './query.ts';

export const annotationSupport: AnnotationSupport<UserpulseQuery> = {
  QueryEditor: AnnotationEditor,
  getDefaultQuery: () => DEFAULT_ANNOTATION_QUERY,
  prepareAnnotation: (saved: AnnotationQuery<UserpulseQuery>) => ({
    ...saved,
    target: askedByAnnotation(saved.target),
  }),
  prepareQuery: ({ target }) => askedByAnnotation(target),
  processEvents: ({ target }, frames) =>
    of(annotationEvents(annotationQuery(target).query.annotation ?? DEFAULT_ANNOTATION, frames)),
};
