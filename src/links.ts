import { FieldType, isDataFrame } from '@grafana/data';
import type { DataFrame, DataLink, DataQueryResponse, Field } from '@grafana/data';
import type { IdPreset, UserpulseQuery } from './types.ts';

/** The bundled dashboard of each question; its `uid` is fixed in `src/dashboards/`, its variable is named `id`. */
export const DASHBOARD_UIDS: Readonly<Record<IdPreset, string>> = {
  made: 'userpulse-made',
  received: 'userpulse-received',
  share: 'userpulse-share',
};

const LINKS: Readonly<Record<IdPreset, readonly { readonly to: IdPreset; readonly title: string }[]>> = {
  made: [
    { to: 'made', title: 'What user $ID did' },
    { to: 'received', title: 'What user $ID received' },
  ],
  received: [
    { to: 'received', title: 'What user $ID received' },
    { to: 'made', title: 'What user $ID did' },
  ],
  share: [{ to: 'share', title: 'What share $ID received' }],
};

function linksTo(preset: IdPreset, id: string, currentDashboard: string | undefined): DataLink[] {
  return LINKS[preset]
    .filter(({ to }) => DASHBOARD_UIDS[to] !== currentDashboard)
    .map(({ to, title }) => ({
      title: title.replace('$ID', () => id),
      // ${__url_time_range} keeps the range; percentencode is Grafana's own escaping for a value in a URL.
      url: `/d/${DASHBOARD_UIDS[to]}?\${__url_time_range}&var-id=${id}`,
    }));
}

/** Whose ids a query's answer holds, if anyone's. */
function idsOf(query: UserpulseQuery): IdPreset | undefined {
  switch (query.preset) {
    case 'made':
    case 'received':
    case 'share':
      return query.preset;
    case 'top':
      return query.of;
    case 'everyone':
      return undefined;
    default:
      return query.preset satisfies never;
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
      if (query.preset === 'top' && field.name === 'id') return withLinks(field, '${__value.raw:percentencode}');
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
