import { ROLES } from '../../../contract/roles.ts';
import { BUCKET_ROLES, type BucketNames, type BucketRole } from '../schema/buckets.ts';
import { failed, passed, type Check, type CheckResult } from '../check.ts';
import { callInflux, influxMessage, type InfluxTarget } from './api.ts';
import { influxUnreachable, refusalOf } from './influx-check.ts';

/** How a command uses the buckets: ingest writes, serve reads. */
export type BucketUse = 'read' | 'write';

/**
 * Do the four buckets exist, and does the token allow what the command needs? Works with the narrow tokens of `setup`.
 * @param need `all` of the uses, or, for a diagnosis, `any` of them
 */
export function bucketsCheck(
  target: InfluxTarget,
  buckets: BucketNames,
  uses: readonly BucketUse[],
  need: 'all' | 'any' = 'all',
): Check {
  return {
    name: 'buckets',
    run: async (signal) => {
      try {
        const findings = await Promise.all(
          BUCKET_ROLES.flatMap((role) =>
            uses.map((use) =>
              use === 'read'
                ? readable(target, role, buckets[role], signal)
                : writable(target, role, buckets[role], signal),
            ),
          ),
        );
        return judgeBuckets(target, buckets, findings, need);
      } catch (error) {
        return { ...influxUnreachable(target, error), name: 'buckets' };
      }
    },
  };
}

/** What was found for one bucket and use. */
export interface BucketFinding {
  readonly role: BucketRole;
  readonly use: BucketUse;
  readonly is: 'fine' | 'missing' | 'forbidden' | 'unknown';
  /** For `unknown`: a failure of InfluxDB itself, not of this bucket. */
  readonly failure?: CheckResult;
}

async function readable(
  target: InfluxTarget,
  role: BucketRole,
  bucket: string,
  signal: AbortSignal,
): Promise<BucketFinding> {
  const answer = await callInflux(
    target,
    { method: 'GET', path: 'api/v2/buckets', query: { org: target.org, name: bucket } },
    signal,
  );
  if (answer.status === 404 && /bucket/i.test(influxMessage(answer.text)))
    return unreadable(target, role, bucket, signal);
  const failure = refusalOf(target, answer.status, answer.text);
  if (failure !== undefined) return { role, use: 'read', is: 'unknown', failure };
  const body: unknown = JSON.parse(answer.text);
  const list = typeof body === 'object' && body !== null && 'buckets' in body ? body.buckets : undefined;
  return Array.isArray(list) && list.length > 0
    ? { role, use: 'read', is: 'fine' }
    : unreadable(target, role, bucket, signal);
}

/** A list does not tell a missing bucket from one that the token may not read. The error of a write does. */
async function unreadable(
  target: InfluxTarget,
  role: BucketRole,
  bucket: string,
  signal: AbortSignal,
): Promise<BucketFinding> {
  const write = await writable(target, role, bucket, signal);
  return { role, use: 'read', is: write.is === 'missing' ? 'missing' : 'forbidden' };
}

/** An empty write is authorised like any other and changes nothing. */
async function writable(
  target: InfluxTarget,
  role: BucketRole,
  bucket: string,
  signal: AbortSignal,
): Promise<BucketFinding> {
  const answer = await callInflux(
    target,
    {
      method: 'POST',
      path: 'api/v2/write',
      query: { org: target.org, bucket, precision: 'ns' },
      body: '',
      contentType: 'text/plain; charset=utf-8',
    },
    signal,
  );
  // 2.7 returns 400 "writing requires points" once it has found the bucket and checked the token.
  if (answer.status === 204 || answer.status === 400) return { role, use: 'write', is: 'fine' };
  if (answer.status === 404 && /bucket/i.test(influxMessage(answer.text))) return { role, use: 'write', is: 'missing' };
  if (answer.status === 403) return { role, use: 'write', is: 'forbidden' };
  const failure = refusalOf(target, answer.status, answer.text);
  return failure === undefined ? { role, use: 'write', is: 'fine' } : { role, use: 'write', is: 'unknown', failure };
}

/** One result from all findings. */
export function judgeBuckets(
  target: Pick<InfluxTarget, 'org' | 'token'>,
  buckets: BucketNames,
  findings: readonly BucketFinding[],
  need: 'all' | 'any',
): CheckResult {
  const failure = findings.find((f) => f.failure !== undefined)?.failure;
  if (failure !== undefined) return { ...failure, name: 'buckets' };
  const fineUses = (['read', 'write'] as const).filter((use) =>
    BUCKET_ROLES.every((role) => findings.some((f) => f.role === role && f.use === use && f.is === 'fine')),
  );
  const problems = findings.filter(
    (f) => f.is !== 'fine' && !(need === 'any' && findings.some((o) => o.role === f.role && o.is === 'fine')),
  );
  if (problems.length === 0) {
    const may = fineUses.map((use) => (use === 'read' ? 'readable' : 'writable')).join(' and ');
    return passed(
      'buckets',
      `${BUCKET_ROLES.map((role) => buckets[role]).join(', ')}${may === '' ? '' : `: ${may} with this token`}.`,
    );
  }
  const missing = BUCKET_ROLES.filter((role) => problems.some((p) => p.role === role && p.is === 'missing'));
  const forbidden = (use: BucketUse): readonly BucketRole[] =>
    BUCKET_ROLES.filter((role) => problems.some((p) => p.role === role && p.use === use && p.is === 'forbidden'));
  const list = (roles: readonly BucketRole[]): string =>
    `${roles.length === 1 ? 'bucket' : 'buckets'} ${roles.map((role) => `"${buckets[role]}" (${ROLES[role].setting})`).join(', ')}`;
  const texts = [
    ...(missing.length > 0 ? [`${list(missing)} ${missing.length === 1 ? 'does' : 'do'} not exist`] : []),
    ...(['read', 'write'] as const).flatMap((use) => {
      const roles = forbidden(use);
      if (roles.length === 0) return [];
      return [`the token in ${target.token.where} may not ${use === 'read' ? 'read' : 'write to'} ${list(roles)}`];
    }),
  ];
  return failed(
    'buckets',
    missing.length > 0 ? 'influx_not_found' : 'influx_unauthorized',
    `In organisation ${target.org} (INFLUX_ORG): ${texts.join('; ')}.`,
    'Run "userpulse setup" with an operator token to create what is missing, correct these settings, or use the token that setup printed for this command.',
  );
}
