import {
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { isRanked, type IdPreset } from '../../contract/presets.ts';
import { QUERY_VERSION, type VariableFields } from '../../contract/query.ts';
import { DATASOURCE } from './query.ts';

/** The SDK takes a variable's query as a plain record; the type of ours is kept up to here. */
const plain = (query: { readonly refId: string } & VariableFields): Record<string, unknown> => ({ ...query });

/** Interaction types that occurred in the time range, several at once; "All" asks for no type filter at all. */
export function typeVariable(): QueryVariableBuilder {
  return new QueryVariableBuilder('type')
    .label('Type')
    .datasource(DATASOURCE)
    .query(plain({ refId: 'type', version: QUERY_VERSION, list: 'types', of: 'made', n: 25, types: [] }))
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .current({ text: ['All'], value: ['$__all'], selected: true });
}

/** The busiest ids of the time range to choose from, where they can be ranked; any other id can be entered. */
export function idVariable(of: IdPreset, label: string): QueryVariableBuilder | TextBoxVariableBuilder {
  if (!isRanked(of)) return new TextBoxVariableBuilder('id').label(label);
  return new QueryVariableBuilder('id')
    .label(label)
    .description(
      `The ${label.toLowerCase()}s with the most interactions in the time range. You can enter any other ID.`,
    )
    .datasource(DATASOURCE)
    .query(plain({ refId: 'id', version: QUERY_VERSION, list: 'top', of, n: 25, types: [] }))
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .allowCustomValue(true);
}
