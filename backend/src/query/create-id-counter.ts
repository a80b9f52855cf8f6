import type { IdKind } from '../../../contract/ids.ts';
import { formatOf, pairSeparator, type Schema } from '../schema/buckets.ts';
import type { IdCounterOptions } from './id-table.ts';
import { TextIdCounter } from './text-id-counter.ts';
import { IdCounter } from './top.ts';

/** @param kind of the ids that are counted */
export function createIdCounter(
  kind: IdKind,
  schema: Pick<Schema, 'ids'>,
  options: IdCounterOptions,
): IdCounter | TextIdCounter {
  const { stored } = formatOf(kind, schema);
  const separator = pairSeparator(schema);
  return separator === ':' ? new IdCounter(stored, options) : new TextIdCounter(stored, separator, options);
}
