import {
  DatasourceVariableBuilder,
  type DashboardBuilder,
  type Panel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import type { PanelBuilder as TimeSeriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import { dashboard, lines, numbers, PER_SECOND } from './panels.ts';

/** The pipeline's own metrics are Prometheus metrics; which Prometheus scrapes them is the dashboard's second variable. */
const PROMETHEUS = { type: 'prometheus', uid: '${prometheus}' } as const;

const query = (expr: string, legend: string): Builder<Dataquery> =>
  new DataqueryBuilder().refId('A').datasource(PROMETHEUS).expr(expr).legendFormat(legend).range();

const panel = (
  title: string,
  description: string,
  expr: string,
  legend: string,
  unit: string,
): TimeSeriesPanel & Builder<Panel> =>
  lines(title, description).datasource(PROMETHEUS).withTarget(query(expr, legend)).unit(unit).span(8).height(8);

/** State of the pipeline: lag, durability, dead letters, retries and memory. */
export function operations(): DashboardBuilder {
  return dashboard(
    'userpulse-operations',
    'Userpulse / Operations',
    'Lag, durability, dead letters, retries and memory of the pipeline, from its Prometheus metrics.',
  )
    .withVariable(new DatasourceVariableBuilder('prometheus').label('Prometheus').type('prometheus'))
    .withPanel(
      numbers('Behind the stream', 'Lag of the shard that is furthest behind its newest record.')
        .datasource(PROMETHEUS)
        .withTarget(query('max(userpulse_millis_behind_latest)', 'behind'))
        .unit('ms')
        .span(8)
        .height(4),
    )
    .withPanel(
      numbers('Not yet durable', 'Age of the oldest event that is not durable in a sink yet.')
        .datasource(PROMETHEUS)
        .withTarget(query('max by (sink) (userpulse_durable_watermark_age_seconds)', '{{sink}}'))
        .unit('s')
        .span(8)
        .height(4),
    )
    .withPanel(
      numbers(
        'Held in memory',
        'Bytes of events between the stream and the archive. Reading stops at USERPULSE_BUFFER_MAX_BYTES.',
      )
        .datasource(PROMETHEUS)
        .withTarget(query('sum(userpulse_inflight_bytes)', 'in flight'))
        .unit('bytes')
        .span(8)
        .height(4),
    )
    .withPanel(
      panel(
        'Events',
        'Valid events read per second.',
        'sum(rate(userpulse_events_total[$__rate_interval]))',
        'events',
        PER_SECOND,
      ),
    )
    .withPanel(
      panel(
        'Points written',
        'Points that InfluxDB acknowledges per second, by bucket.',
        'sum by (bucket) (rate(userpulse_points_written_total[$__rate_interval]))',
        '{{bucket}}',
        PER_SECOND,
      ),
    )
    .withPanel(
      panel(
        'Rejected',
        'Dead letters per second, by reason.',
        // A counter stands at zero for every reason there is.
        'sum by (code) (rate(userpulse_rejected_total[$__rate_interval])) > 0',
        '{{code}}',
        PER_SECOND,
      ),
    )
    .withPanel(
      panel('Lag by shard', 'MillisBehindLatest of each shard.', 'userpulse_millis_behind_latest', '{{shard}}', 'ms'),
    )
    .withPanel(
      panel(
        'Retries',
        'Retried calls per second, by target and reason.',
        'sum by (target, reason) (rate(userpulse_retries_total[$__rate_interval]))',
        '{{target}} {{reason}}',
        PER_SECOND,
      ),
    )
    .withPanel(
      panel(
        'Point collisions',
        'Points relocated to another nanosecond, per second, by bucket.',
        'sum by (bucket) (rate(userpulse_point_collisions_total[$__rate_interval]))',
        '{{bucket}}',
        PER_SECOND,
      ),
    );
}
