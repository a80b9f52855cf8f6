import { QUERY_VERSION } from '../types.ts';
import type { Annotation, UserpulseQuery, UserpulseVariableQuery } from '../types.ts';

/** A question that has an answer at once, without an id: everyone's interactions by type. */
export const DEFAULT_QUERY = {
  version: QUERY_VERSION,
  preset: 'everyone',
  ids: [],
  types: [],
  every: 'auto',
  calc: 'count',
} as const satisfies Omit<UserpulseQuery, 'refId'>;

export const DEFAULT_TOP = { of: 'received', n: 10 } as const;

export const DEFAULT_VARIABLE_QUERY = {
  version: QUERY_VERSION,
  list: 'types',
  of: 'received',
  n: 20,
  types: [],
} as const satisfies Omit<UserpulseVariableQuery, 'refId'>;

export const DEFAULT_ANNOTATION = { kind: 'threshold', threshold: 100 } as const satisfies Annotation;

export const DEFAULT_ANNOTATION_QUERY = {
  ...DEFAULT_QUERY,
  preset: 'received',
  annotation: DEFAULT_ANNOTATION,
} as const satisfies Omit<UserpulseQuery, 'refId'>;
