import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { QueryGate } from './gate.ts';

export interface HttpMetrics {
  readonly requestSeconds: Histogram<'route' | 'method' | 'status'>;
  readonly querySeconds: Histogram<'preset' | 'outcome'>;
  readonly streamClients: Gauge;
  readonly streamsDropped: Counter;
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createHttpMetrics(registry: Registry, gate: QueryGate): HttpMetrics {
  const registers = [registry];
  new Gauge({
    name: 'userpulse_queries_running',
    help: 'Queries that run now',
    registers,
    collect() {
      this.set(gate.running);
    },
  });
  new Gauge({
    name: 'userpulse_queries_waiting',
    help: 'Queries that wait for their turn',
    registers,
    collect() {
      this.set(gate.waiting);
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
