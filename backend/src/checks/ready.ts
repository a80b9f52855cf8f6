import { runChecks, type CheckResult, type Readiness } from '../check.ts';
import { influxCheck } from '../influx/influx-check.ts';
import type { InfluxTarget } from '../influx/api.ts';
import { cached } from './cached.ts';

/** Several probes ask for readiness every few seconds. One check of InfluxDB serves all of them for this long, in ms. */
const READY_FOR_MS = 2_000;

/** Whether queries can be answered now: InfluxDB is reachable and accepts our token. */
export function influxReadiness(target: InfluxTarget): () => Promise<Readiness> {
  const look = cached(async () => runChecks([influxCheck(target)], { timeoutMs: 2_000 }), READY_FOR_MS);
  return async () => readinessOf(await look());
}

function readinessOf(results: readonly CheckResult[]): Readiness {
  const error = results.find((r) => r.state === 'error');
  if (error === undefined) return { ready: true };
  // Probes send no token, so they do not learn where InfluxDB is.
  return {
    ready: false,
    code: error.code ?? 'internal',
    message: `The check "${error.name}" failed. GET /v1/health, which needs the API token, says why and how to fix it.`,
  };
}
