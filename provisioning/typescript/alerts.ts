import { everyone, PLUGIN_ID, PROVISIONED_UID, top, type UserpulseQueryBuilder } from './query.ts';

/** As PROVISIONED_UID, for Prometheus. Alert rules have no variables, so they name an instance. */
const PROMETHEUS_UID = 'userpulse-prometheus';

interface RuleQuery {
  readonly refId: string;
  readonly datasourceUid: string;
  readonly relativeTimeRange?: { readonly from: number; readonly to: number };
  readonly model: object;
}

/** Seconds before now that a rule's query looks at. */
const lastSeconds = (from: number) => ({ from, to: 0 });

const userpulseQuery = (query: UserpulseQueryBuilder, seconds: number): RuleQuery => ({
  refId: 'A',
  datasourceUid: PROVISIONED_UID,
  relativeTimeRange: lastSeconds(seconds),
  model: { ...query.refId('A').datasource(PROVISIONED_UID).build(), intervalMs: 60_000, maxDataPoints: 100 },
});

const prometheusQuery = (expr: string): RuleQuery => ({
  refId: 'A',
  datasourceUid: PROMETHEUS_UID,
  relativeTimeRange: lastSeconds(600),
  model: {
    refId: 'A',
    datasource: { type: 'prometheus', uid: PROMETHEUS_UID },
    expr,
    instant: true,
    range: false,
  },
});

/** Grafana's own expressions: reduce each series to a number, then compare it. Labels of the series stay on the alert. */
const reduce = (reducer: 'last' | 'max' | 'sum' | 'mean'): RuleQuery => ({
  refId: 'B',
  datasourceUid: '__expr__',
  model: {
    refId: 'B',
    type: 'reduce',
    datasource: { type: '__expr__', uid: '__expr__' },
    expression: 'A',
    reducer,
    settings: { mode: 'dropNN' },
  },
});
const threshold = (comparison: 'gt' | 'lt', limit: number): RuleQuery => ({
  refId: 'C',
  datasourceUid: '__expr__',
  model: {
    refId: 'C',
    type: 'threshold',
    datasource: { type: '__expr__', uid: '__expr__' },
    expression: 'B',
    conditions: [{ evaluator: { type: comparison, params: [limit] } }],
  },
});

const rule = (
  uid: string,
  title: string,
  forDuration: string,
  data: readonly RuleQuery[],
  summary: string,
  description: string,
) => ({
  uid,
  title,
  condition: 'C',
  data,
  noDataState: 'OK',
  execErrState: 'Error',
  for: forDuration,
  annotations: { summary, description },
  labels: { product: 'userpulse' },
  isPaused: false,
});

/**
 * Content of provisioning/alerting/rules.json. Grafana takes models and annotations as they stand: it replaces no environment variables in them, and
 * `$` needs no escape. (In titles and labels it does replace, and `$$` stands for one `$`.)
 *
 * The folder is apart from the dashboards', because Grafana finds a rule's folder by title and a dashboard's by uid: under one title there would be two.
 */
export const alertRules = {
  apiVersion: 1,
  groups: [
    {
      orgId: 1,
      name: 'userpulse',
      folder: 'Userpulse alerts',
      interval: '1m',
      rules: [
        rule(
          'userpulse-user-spike',
          'Interactions of a user spike',
          '0s',
          // A ranking is a number per user: one alert for each that is above, whoever it is.
          [userpulseQuery(top('received', 10), 600), reduce('last'), threshold('gt', 1000)],
          'User {{ $labels.id }} received more than 1,000 interactions in ten minutes',
          'It was {{ $values.B }}. The ten users who received the most are watched; the threshold is in provisioning/typescript/alerts.ts.',
        ),
        rule(
          'userpulse-silence',
          'No interactions',
          '5m',
          [userpulseQuery(everyone().calc('total').groupBy(), 600), reduce('last'), threshold('lt', 1)],
          'No interactions for ten minutes',
          'Either nobody interacts, or events do not reach InfluxDB. Check the operations dashboard and run `userpulse doctor`.',
        ),
        rule(
          'userpulse-pipeline-lag',
          'Ingest lags behind the stream',
          '2m',
          [prometheusQuery('max(userpulse_millis_behind_latest)'), reduce('last'), threshold('gt', 60_000)],
          'Ingest is {{ $values.B }} ms behind the stream',
          'Panels lack the latest interactions until it catches up. `userpulse doctor` shows the lag of each shard and what is wrong.',
        ),
        rule(
          'userpulse-shard-held',
          'A shard is held',
          '0s',
          [prometheusQuery('sum(userpulse_shards{state="held"})'), reduce('last'), threshold('gt', 0)],
          '{{ $values.B }} shards are held',
          'Too much of what they hold is not valid, usually after a bad deploy of a producer. Their records wait on the stream until its retention ends. `userpulse doctor` says what is wrong and how to go on.',
        ),
      ],
    },
  ],
} as const;

/** Type of every data source a rule may query, for the test that holds rules and provisioned data sources together. */
export const ALERT_DATASOURCES: Readonly<Record<string, string>> = {
  [PROVISIONED_UID]: PLUGIN_ID,
  [PROMETHEUS_UID]: 'prometheus',
  __expr__: '__expr__',
};
