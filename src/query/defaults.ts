import { readFields } from '../../contract/fields.ts';
import {
  ANNOTATION_FIELDS,
  readQuery,
  readVariable,
  type Annotation,
  type QueryFields,
  type VariableFields,
} from '../../contract/query.ts';

/** A query that has an answer at once, without an id: everyone's interactions by type. */
export const DEFAULT_QUERY: QueryFields = readQuery({}).values;

export const DEFAULT_ANNOTATION: Annotation = readFields(ANNOTATION_FIELDS, {}, new Set(), 'annotation').values;

export const DEFAULT_ANNOTATION_QUERY: QueryFields = {
  ...DEFAULT_QUERY,
  preset: 'received',
  annotation: DEFAULT_ANNOTATION,
};

export const DEFAULT_VARIABLE_QUERY: VariableFields = readVariable({}).values;
