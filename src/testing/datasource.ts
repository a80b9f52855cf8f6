import { dateTime, PluginType } from '@grafana/data';
import type { DataQueryRequest, DataSourceInstanceSettings, TimeRange, TypedVariableModel } from '@grafana/data';
import type { TemplateSrv } from '@grafana/runtime';
import { UserpulseDataSource } from '../datasource.ts';
import { DEFAULT_QUERY } from '../query/defaults.ts';
import type { UserpulseOptions, UserpulseQuery } from '../types.ts';

export const RANGE: TimeRange = (() => {
  const from = dateTime('2026-01-31T00:00:00Z');
  const to = dateTime('2026-01-31T06:00:00Z');
  return { from, to, raw: { from: 'now-6h', to: 'now' } };
})();

/** Plugin settings as Grafana hands them to the constructor. */
export const settings = (jsonData: UserpulseOptions = {}): DataSourceInstanceSettings<UserpulseOptions> => ({
  uid: 'userpulse',
  type: 'userpulse-interactions-datasource',
  name: 'Userpulse',
  access: 'proxy',
  readOnly: false,
  jsonData,
  meta: {
    id: 'userpulse-interactions-datasource',
    name: 'Userpulse',
    type: PluginType.datasource,
    module: '',
    baseUrl: '',
    info: {
      author: { name: '' },
      description: '',
      links: [],
      logos: { large: '', small: '' },
      screenshots: [],
      updated: '',
      version: '',
    },
  },
});

type Variables = Readonly<Record<string, string | readonly string[]>>;

/** Replaces `$name` and `${name}` as Grafana does; scoped variables win. */
export function templateSrv(variables: Variables = {}): TemplateSrv {
  const pattern = /\$(\w+)|\$\{(\w+)\}/g;
  return {
    getVariables: () => Object.keys(variables).map((name) => ({ name, type: 'custom' }) as TypedVariableModel),
    containsTemplate: (text = '') => text.search(pattern) >= 0,
    updateTimeRange: () => undefined,
    replace: (text = '', scoped = {}, format) =>
      text.replace(pattern, (match: string, a?: string, b?: string) => {
        const name = a ?? b ?? '';
        const value: unknown = scoped[name]?.value ?? variables[name];
        if (value === undefined) return match;
        if (typeof format === 'function') return (format as (value: unknown) => string)(value);
        return Array.isArray(value) ? value.join(',') : `${value as string | number}`;
      }),
  };
}

/** A data source whose gateway is a table of answers by resource path. */
export function dataSource(
  resources: Readonly<Record<string, unknown>> = {},
  variables: Variables = {},
  options: UserpulseOptions = {},
): UserpulseDataSource & { readonly asked: { path: string; body: unknown }[] } {
  const datasource = new UserpulseDataSource(settings(options), templateSrv(variables), () => undefined);
  const asked: { path: string; body: unknown }[] = [];
  const answer = (path: string, body: unknown) => {
    asked.push({ path, body });
    // A backend of the default formats of ids, unless a test has its own.
    const value = { schema: {}, ...resources }[path];
    if (value instanceof Error) return Promise.reject(value);
    return value === undefined ? Promise.reject(new Error(`No answer for ${path}.`)) : Promise.resolve(value as never);
  };
  datasource.getResource = answer;
  datasource.postResource = answer;
  return Object.assign(datasource, { asked });
}

export const query = (fields: Partial<UserpulseQuery> = {}): UserpulseQuery => ({
  refId: 'A',
  ...DEFAULT_QUERY,
  ...fields,
});

export const request = (
  targets: UserpulseQuery[],
  fields: Partial<DataQueryRequest<UserpulseQuery>> = {},
): DataQueryRequest<UserpulseQuery> => ({
  requestId: 'Q1',
  interval: '30s',
  intervalMs: 30_000,
  maxDataPoints: 500,
  range: RANGE,
  scopedVars: {},
  targets,
  timezone: 'utc',
  app: 'dashboard',
  startTime: 0,
  ...fields,
});
