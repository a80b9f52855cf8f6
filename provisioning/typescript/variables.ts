import {
  IntervalVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { IdKind } from '../../contract/ids.ts';
import { idKindOf, isRanked, type IdPreset, type RankedPreset } from '../../contract/presets.ts';
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

/** Length of the windows, one for all panels: `auto` of a query fits each panel's width, so that neighbours would differ. */
export function intervalVariable(): IntervalVariableBuilder {
  return new IntervalVariableBuilder('interval')
    .label('Interval')
    .values('10s,30s,1m,10m,1h,6h,1d,1w')
    .auto(true)
    .stepCount(120)
    .minInterval('1s')
    .current({ text: 'auto', value: '$__auto_interval_interval', selected: true });
}

/** One user, of those who receive the most; any other id can be entered. */
export function oneUserVariable(): QueryVariableBuilder {
  return topVariable('received', 'user', 'User').multi(false);
}

/**
 * The busiest ids of the time range to choose from, where they can be ranked; any other id can be entered. The variable is named
 * as their kind, so that links between dashboards hand on no wrong one.
 */
export function idVariable(of: IdPreset, label: string): QueryVariableBuilder | TextBoxVariableBuilder {
  const name = idKindOf(of);
  if (!isRanked(of)) return new TextBoxVariableBuilder(name).label(label);
  return topVariable(of, name, label).multi(true);
}

const topVariable = (of: RankedPreset, name: IdKind, label: string): QueryVariableBuilder =>
  new QueryVariableBuilder(name)
    .label(label)
    .description(
      `The ${label.toLowerCase()}s with the most interactions in the time range. You can enter any other ID.`,
    )
    .datasource(DATASOURCE)
    .query(plain({ refId: name, version: QUERY_VERSION, list: 'top', of, n: 25, types: [] }))
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .allowCustomValue(true);
