import type { Check, CheckResult } from '../check.ts';
import { failed, passed } from '../check.ts';
import { networkReason } from '../network.ts';
import { callInflux, influxMessage, type InfluxTarget } from './api.ts';

/** Is InfluxDB there, does it know the organisation, and does it take the token? Works with any kind of token. */
export function influxCheck(target: InfluxTarget): Check {
  return { name: 'influxdb', run: (signal) => checkInflux(target, signal) };
}

/** InfluxDB as its setting names it, for messages. */
export const influxName = (target: InfluxTarget): string => `InfluxDB at ${target.host} (INFLUX_HOST)`;

export function influxUnreachable(target: InfluxTarget, error: unknown): CheckResult {
  return failed(
    'influxdb',
    'influx_unreachable',
    `${influxName(target)} cannot be reached: ${networkReason(error)}.`,
    'Start InfluxDB, or set INFLUX_HOST to its address.',
  );
}

async function checkInflux(target: InfluxTarget, signal: AbortSignal): Promise<CheckResult> {
  let version = '';
  try {
    // Answers without a token, so an unreachable host and a wrong token are told apart.
    const health = await callInflux(target, { method: 'GET', path: 'health' }, signal);
    if (health.status === 404 || !/"name"\s*:\s*"influxdb"/.test(health.text)) {
      return failed(
        'influxdb',
        'influx_unreachable',
        `What answers at ${target.host} (INFLUX_HOST) is not InfluxDB 2.x.`,
        'Set INFLUX_HOST to the address of InfluxDB, for example http://localhost:8086.',
      );
    }
    if (health.status !== 200) {
      return failed(
        'influxdb',
        'influx_unavailable',
        `${influxName(target)} says that it is not healthy: ${influxMessage(health.text)}`,
        "Look at InfluxDB's own log.",
      );
    }
    version = /"version"\s*:\s*"v?([^"]+)"/.exec(health.text)?.[1] ?? '';
    const list = await callInflux(
      target,
      { method: 'GET', path: 'api/v2/buckets', query: { org: target.org, limit: '1' } },
      signal,
    );
    const refusal = refusalOf(target, list.status, list.text);
    if (refusal !== undefined) return refusal;
  } catch (error) {
    return influxUnreachable(target, error);
  }
  return passed('influxdb', `InfluxDB ${version} at ${target.host}, organisation ${target.org}.`);
}

/** What a refused call says about token and organisation; undefined where both are right. */
export function refusalOf(target: InfluxTarget, status: number, text: string): CheckResult | undefined {
  const said = influxMessage(text);
  if (status === 401) {
    return failed(
      'influxdb',
      'influx_unauthorized',
      `${influxName(target)} does not take the token in INFLUX_TOKEN.`,
      `Set INFLUX_TOKEN to a valid token of organisation ${target.org}: "userpulse setup --tokens" prints new ones.`,
    );
  }
  if (status === 404 && /organization/i.test(said)) {
    return failed(
      'influxdb',
      'influx_not_found',
      `${influxName(target)} has no organisation "${target.org}" (INFLUX_ORG), or the token in INFLUX_TOKEN belongs to another one.`,
      'Set INFLUX_ORG to the name of the organisation that the token belongs to.',
    );
  }
  if (status === 403) {
    return failed(
      'influxdb',
      'influx_unauthorized',
      `${influxName(target)} refuses the token in INFLUX_TOKEN: ${said}.`,
      `Set INFLUX_TOKEN to a token of organisation ${target.org} that may read or write the four buckets.`,
    );
  }
  if (status >= 500 || status === 429) {
    return failed(
      'influxdb',
      'influx_unavailable',
      `${influxName(target)} answered ${status}: ${said}`,
      "Look at InfluxDB's own log, and try again.",
    );
  }
  if (status >= 400) {
    return failed(
      'influxdb',
      'influx_rejected',
      `${influxName(target)} answered ${status}: ${said}`,
      'See whether INFLUX_ORG and INFLUX_TOKEN belong together.',
    );
  }
  return undefined;
}
