import type { AnnotationQuery, AnnotationSupport } from '@grafana/data';
import { isEqual } from 'lodash';
import { of } from 'rxjs';
import { AnnotationEditor } from '../components/AnnotationEditor.tsx';
import { DEFAULT_ANNOTATION, DEFAULT_ANNOTATION_QUERY } from '../query/defaults.ts';
import type { UserpulseQuery } from '../types.ts';
import { annotationEvents } from './events.ts';
import { annotationQuery, askedByAnnotation } from './query.ts';

export const annotationSupport: AnnotationSupport<UserpulseQuery> = {
  QueryEditor: AnnotationEditor,
  getDefaultQuery: () => DEFAULT_ANNOTATION_QUERY,
  // The same object where nothing is to be changed: Grafana saves what differs, and would ask again, for ever.
  prepareAnnotation: (saved: AnnotationQuery<UserpulseQuery>) => {
    const target = askedByAnnotation(saved.target);
    return isEqual(target, saved.target) ? saved : { ...saved, target };
  },
  prepareQuery: ({ target }) => askedByAnnotation(target),
  processEvents: ({ target }, frames) =>
    of(annotationEvents(annotationQuery(target).query.annotation ?? DEFAULT_ANNOTATION, frames)),
};
