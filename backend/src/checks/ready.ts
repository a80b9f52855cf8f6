import { runChecks, type CheckResult } from '../check.ts';
import type { ErrorCode } from '../errors.ts';
import { influxCheck } from '../influx/influx-check.ts';
import type { InfluxTarget } from '../influx/api.ts';
import { cached } from './cached.ts';

/** Readiness is asked for every few seconds, by several: one look at InfluxDB serves all of them for this long, in ms. */
const READY_FOR_MS = 2_000;

export type InfluxReadiness =
  { readonly ready: true } | { readonly ready: false; readonly code: ErrorCode; readonly message: string };

/** Whether queries can be answered now: InfluxDB is there and takes our token. */
export function influxReadiness(target: InfluxTarget): () => Promise<InfluxReadiness> {
  const look = cached(async () => runChecks([influxCheck(target)], { timeoutMs: 2_000 }), READY_FOR_MS);
  return async () => readinessOf(await look());
}

export function readinessOf(results: readonly CheckResult[]): InfluxReadiness {
  const error = results.find((r) => r.state === 'error');
  if (error === undefined) return { ready: true };
  // Probes have no token, so they are not told where InfluxDB is.
  return {
    ready: false,
    code: error.code ?? 'internal',
    message: `The check "${error.name}" failed. GET /v1/health, which asks for the token, says why and what to do.`,
  };
}
