import { FieldType, isDataFrame } from '@grafana/data';
import type { DataFrame, DataLink, DataQueryResponse, Field } from '@grafana/data';
import {
  dashboardUid,
  idKindOf,
  isIdPreset,
  isTablePreset,
  PRESETS,
  sameIds,
  type IdPreset,
} from '../../contract/presets.ts';
import { DEFAULT_TOP } from '../../contract/query.ts';
import type { UserpulseQuery } from '../types.ts';

function linksTo(preset: IdPreset, id: string, currentDashboard: string | undefined): DataLink[] {
  return sameIds(preset)
    .filter((to) => dashboardUid(to) !== currentDashboard)
    .map((to) => ({
      title: PRESETS[to].ids.link(id),
      // ${__url_time_range} keeps the range; percentencode is Grafana's own escaping for a value in a URL.
      url: `/d/${dashboardUid(to)}?\${__url_time_range}&var-${idKindOf(to)}=${id}`,
    }));
}

/** Whose ids a query's answer holds, if anyone's. */
function idsOf({ preset, of = DEFAULT_TOP.of }: UserpulseQuery): IdPreset | undefined {
  if (isIdPreset(preset)) return preset;
  switch (preset) {
    case 'pair':
      return 'made';
    case 'who':
      // The people at the other end: of what somebody made, who received it.
      return of === 'made' ? 'received' : 'made';
    case 'top':
      return of;
    default:
      return undefined;
  }
}

/**
 * Adds links from a series to the dashboards of its id, and from the id column of a top list. An addition to what is shown,
 * never needed to read it: alerts and public dashboards go without.
 */
export function addDashboardLinks(frame: DataFrame, query: UserpulseQuery, currentDashboard?: string): DataFrame {
  const preset = idsOf(query);
  if (preset === undefined) return frame;
  const withLinks = (field: Field, id: string): Field => ({
    ...field,
    config: { ...field.config, links: [...(field.config.links ?? []), ...linksTo(preset, id, currentDashboard)] },
  });
  return {
    ...frame,
    fields: frame.fields.map((field) => {
      if (field.type === FieldType.number && field.labels?.['id']) {
        return withLinks(field, encodeURIComponent(field.labels['id']));
      }
      if (isTablePreset(query.preset) && field.name === 'id') return withLinks(field, '${__value.raw:percentencode}');
      return field;
    }),
  };
}

/** As {@link addDashboardLinks}, for every frame of an answer. */
export function withDashboardLinks(
  response: DataQueryResponse,
  queries: readonly UserpulseQuery[],
  currentDashboard?: string,
): DataQueryResponse {
  const byRefId = new Map(queries.map((query) => [query.refId, query]));
  return {
    ...response,
    data: response.data.map((frame: unknown) => {
      if (!isDataFrame(frame)) return frame;
      const query = byRefId.get(frame.refId ?? '');
      return query ? addDashboardLinks(frame, query, currentDashboard) : frame;
    }),
  };
}
