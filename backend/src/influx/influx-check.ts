import { failed, passed, unavailable, type Check, type CheckResult, type FailedCheck } from '../check.ts';
import { sentences } from '../format.ts';
import { networkReason } from '../network.ts';
import { callInflux, influxMessage, type InfluxTarget } from './api.ts';

/** Is InfluxDB reachable, does it have the organisation, and does it accept the token? Works with any kind of token. */
export function influxCheck(target: InfluxTarget): Check {
  return { name: 'influxdb', run: (signal) => checkInflux(target, signal) };
}

/** For messages: InfluxDB, with its setting. */
const influxName = (target: InfluxTarget): string => `InfluxDB at ${target.host} (INFLUX_HOST)`;

export function influxUnreachable(target: InfluxTarget, error: unknown): FailedCheck {
  return unavailable(
    'influxdb',
    'influx_unreachable',
    `${influxName(target)} cannot be reached: ${networkReason(error)}.`,
    'Start InfluxDB, or set INFLUX_HOST to its address.',
  );
}

async function checkInflux(target: InfluxTarget, signal: AbortSignal): Promise<CheckResult> {
  let version = '';
  try {
    // Needs no token, which tells an unreachable host from a wrong token.
    const health = await callInflux(target, { method: 'GET', path: 'health' }, signal);
    // Of a proxy too, in front of an InfluxDB that is just starting.
    if (health.status >= 500 || health.status === 429) {
      return unavailable(
        'influxdb',
        'influx_unavailable',
        sentences(`${influxName(target)} reports that it is unhealthy: ${influxMessage(health.text)}`),
        'Check the log of InfluxDB.',
      );
    }
    if (health.status !== 200 || !/"name"\s*:\s*"influxdb"/.test(health.text)) {
      return failed(
        'influxdb',
        'influx_unreachable',
        `The server at ${target.host} (INFLUX_HOST) is not InfluxDB 2.x.`,
        'Set INFLUX_HOST to the address of InfluxDB, for example http://localhost:8086.',
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

/** What a failed call says about token and organisation; undefined where both are correct. */
export function refusalOf(target: InfluxTarget, status: number, text: string): FailedCheck | undefined {
  const said = influxMessage(text);
  if (status === 401) {
    return failed(
      'influxdb',
      'influx_unauthorized',
      `${influxName(target)} rejects the token in ${target.token.where}.`,
      `It must be a token of organisation ${target.org}. ${target.token.renewal} "userpulse setup --tokens" prints new ones.`,
    );
  }
  if (status === 404 && /organization/i.test(said)) {
    return failed(
      'influxdb',
      'influx_not_found',
      `${influxName(target)} has no organisation "${target.org}" (INFLUX_ORG), or the token in ${target.token.where} belongs to another organisation.`,
      'Set INFLUX_ORG to the organisation of the token.',
    );
  }
  if (status === 403) {
    return failed(
      'influxdb',
      'influx_unauthorized',
      `${influxName(target)} denies access with the token in ${target.token.where}: ${said}.`,
      `It must be a token of organisation ${target.org} with access to the four buckets. ${target.token.renewal}`,
    );
  }
  if (status >= 500 || status === 429) {
    return unavailable(
      'influxdb',
      'influx_unavailable',
      `${influxName(target)} returned status ${status}: ${said}.`,
      'Check the log of InfluxDB, then try again.',
    );
  }
  if (status >= 400) {
    return failed(
      'influxdb',
      'influx_rejected',
      `${influxName(target)} returned status ${status}: ${said}.`,
      `Check that the token in ${target.token.where} belongs to INFLUX_ORG.`,
    );
  }
  return undefined;
}
