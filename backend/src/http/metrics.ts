import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { QueryBudget } from '../query/budget.ts';
import type { QueryService } from '../query/service.ts';

export interface HttpMetrics {
  readonly requestSeconds: Histogram<'route' | 'method' | 'status'>;
  readonly querySeconds: Histogram<'preset' | 'outcome'>;
  readonly streamClients: Gauge;
  readonly streamsDropped: Counter;
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createHttpMetrics(
  registry: Registry,
  budget: QueryBudget,
  { answers, joined, kept }: Pick<QueryService, 'answers' | 'joined' | 'kept'>,
): HttpMetrics {
  const registers = [registry];
  new Gauge({
    name: 'userpulse_queries_running',
    help: 'Queries that run now',
    registers,
    collect() {
      this.set(budget.running);
    },
  });
  new Gauge({
    name: 'userpulse_queries_waiting',
    help: 'Queries that wait for their turn',
    registers,
    collect() {
      this.set(budget.waiting);
    },
  });
  new Gauge({
    name: 'userpulse_query_bytes',
    help: 'Bytes that running queries, answers on their way and live streams hold, as planned; at most USERPULSE_QUERY_MAX_BYTES',
    registers,
    collect() {
      this.set(budget.bytes);
    },
  });
  new Gauge({
    name: 'userpulse_query_kept_bytes',
    help: 'Bytes of answers about closed ranges that are kept to be given again; freed where queries need them',
    registers,
    collect() {
      this.set(answers.bytes);
    },
  });
  new Gauge({
    name: 'userpulse_query_kept_hours_bytes',
    help: 'Bytes of hours that are kept until they change; freed where queries need them',
    registers,
    collect() {
      this.set(kept.bytes);
    },
  });
  new Counter({
    name: 'userpulse_query_joinable_total',
    help: 'Questions to InfluxDB that may share a script with others (question), and the scripts that were sent for them (script)',
    labelNames: ['what'],
    registers,
    collect() {
      this.reset();
      this.inc({ what: 'question' }, joined.counts.questions);
      this.inc({ what: 'script' }, joined.counts.scripts);
    },
  });
  new Counter({
    name: 'userpulse_queries_refused_total',
    help: 'Requests refused because they alone (too_large) or with others (busy) would take more memory or places than there are',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      this.inc({ reason: 'too_large' }, budget.refused.tooLarge);
      this.inc({ reason: 'busy' }, budget.refused.busy);
    },
  });
  new Counter({
    name: 'userpulse_query_answers_total',
    help: 'Answers by where they came from: InfluxDB (read), a read under way for somebody else (shared), or the last seconds (kept)',
    labelNames: ['source'],
    registers,
    collect() {
      this.reset();
      for (const [source, count] of Object.entries(answers.counts)) this.inc({ source }, count);
    },
  });
  return {
    requestSeconds: new Histogram({
      name: 'userpulse_http_request_duration_seconds',
      help: 'Time from a request to the end of its answer',
      labelNames: ['route', 'method', 'status'],
      buckets: BUCKETS,
      registers,
    }),
    querySeconds: new Histogram({
      name: 'userpulse_query_duration_seconds',
      help: 'Time to answer a query, waiting for its turn included; preset "several" where one request asks for different ones',
      labelNames: ['preset', 'outcome'],
      buckets: BUCKETS,
      registers,
    }),
    streamClients: new Gauge({
      name: 'userpulse_http_stream_clients',
      help: 'Clients of /v1/stream that are connected now',
      registers,
    }),
    streamsDropped: new Counter({
      name: 'userpulse_http_streams_dropped_total',
      help: 'Clients of /v1/stream that were disconnected because they read too slowly',
      registers,
    }),
  };
}
