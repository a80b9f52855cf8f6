import { describe, expect, it } from 'vitest';
import { UserpulseError } from '../errors.ts';
import { BUCKET_ROLES, prefixOf, type PrefixScheme, type Schema } from '../schema/buckets.ts';
import { judgeBuckets, type BucketFinding } from '../influx/buckets-check.ts';
import { failed, passed, warned } from '../check.ts';
import { judgeLag, judgeReading } from './lag.ts';
import { refuse } from './preflight.ts';
import { judgeSamples, schemeCheck, type Sample } from './scheme.ts';
import type { InfluxReader } from '../influx/reader.ts';
import { variableSecret } from '../secrets.ts';

const ACME = { org: 'acme', token: variableSecret('INFLUX_TOKEN', 'x') };
const SCHEMA: Schema = {
  buckets: { made: 'b_made', received: 'b_received', share: 'b_share', total: 'b_total' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

describe('the buckets', () => {
  const all = (is: BucketFinding['is'], use: BucketFinding['use'] = 'read'): BucketFinding[] =>
    BUCKET_ROLES.map((role) => ({ role, use, is }));

  it('are fine when each may be used as needed', () => {
    const result = judgeBuckets(ACME, SCHEMA.buckets, [...all('fine'), ...all('fine', 'write')], 'all');
    expect(result).toMatchObject({ state: 'ok', hint: '' });
    expect(result.message).toContain('readable and writable');
  });
  it('are named with their settings when missing', () => {
    const findings = all('fine').map((f) => (f.role === 'share' ? { ...f, is: 'missing' as const } : f));
    const result = judgeBuckets(ACME, SCHEMA.buckets, findings, 'all');
    expect(result).toMatchObject({ state: 'error', code: 'influx_not_found' });
    expect(result.message).toBe(
      'In organisation acme (INFLUX_ORG): bucket "b_share" (USERPULSE_BUCKET_SHARE) does not exist.',
    );
    expect(result.hint).toContain('userpulse setup');
  });
  it('are told from those that the token may not use', () => {
    const result = judgeBuckets(ACME, SCHEMA.buckets, all('forbidden'), 'all');
    expect(result).toMatchObject({ state: 'error', code: 'influx_unauthorized' });
    expect(result.message).toContain('INFLUX_TOKEN may not read buckets');
  });
  it('need one use only for who just looks', () => {
    const findings = [...all('forbidden'), ...all('fine', 'write')];
    expect(judgeBuckets(ACME, SCHEMA.buckets, findings, 'any')).toMatchObject({ state: 'ok' });
    expect(judgeBuckets(ACME, SCHEMA.buckets, findings, 'all')).toMatchObject({ state: 'error' });
  });
  it('are not blamed for a failure of InfluxDB', () => {
    const failure = failed('influxdb', 'influx_unavailable', 'Busy.', 'Wait.');
    const findings: BucketFinding[] = [{ role: 'made', use: 'read', is: 'unknown', failure }];
    expect(judgeBuckets(ACME, SCHEMA.buckets, findings, 'all')).toEqual({ ...failure, name: 'buckets' });
  });
});

describe('the prefix scheme', () => {
  const written = (ids: readonly string[], scheme: PrefixScheme): Sample => ({
    points: ids.map((id) => ({ id, prefix: prefixOf(id, scheme) })),
    whole: true,
  });
  const sequential = Array.from({ length: 5000 }, (_, i) => String(10_000_000 + i * 197));

  it('is fine where nothing is to be judged', () => {
    expect(judgeSamples(new Map(), SCHEMA)).toMatchObject({ state: 'ok' });
  });
  it('is an error where the data was written under another one, which it names', () => {
    const result = judgeSamples(new Map([['received', written(sequential, { by: 'last', length: 4 })]]), SCHEMA);
    expect(result).toMatchObject({ state: 'error', code: 'config_invalid' });
    expect(result.message).toContain('bucket b_received');
    expect(result.message).toContain('USERPULSE_USER_PREFIX=first:4');
    expect(result.hint).toContain('USERPULSE_USER_PREFIX=last:4');
  });
  it('is an error where two schemes wrote', () => {
    const points = [
      ...written(['123456789'], { by: 'last', length: 4 }).points,
      ...written(['223456789'], { by: 'first', length: 4 }).points,
    ];
    const result = judgeSamples(new Map([['made', { points, whole: true }]]), SCHEMA);
    expect(result.state).toBe('error');
    expect(result.message).toContain('1 of 2 recent points');
    expect(result.hint).toContain('replay');
  });
  it('is a warning where it spreads ids badly, with the better one', () => {
    const result = judgeSamples(new Map([['made', written(sequential, SCHEMA.userPrefix)]]), SCHEMA);
    expect(result.state).toBe('warning');
    expect(result.message).toContain('last:4');
    expect(result.hint).toContain('USERPULSE_USER_PREFIX=last:4');
  });
  it('is not judged for its spread by a reading that was broken off', () => {
    const sample = { ...written(sequential, SCHEMA.userPrefix), whole: false };
    expect(judgeSamples(new Map([['made', sample]]), SCHEMA).state).toBe('ok');
  });

  /** An InfluxDB with a steady stream of new ids, evenly spread, handed over by prefix as InfluxDB does. */
  const steady = (perSecond: number, asked: number[] = []): InfluxReader => ({
    bytes: () => Promise.reject(new Error('not used')),
    rows: async (script, onTable, signal) => {
      const [, count = '', unit = ''] = /start: -(\d+)(s|m|h|d)\)/.exec(script.text) ?? [];
      const seconds = Number(count) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit as 's' | 'm' | 'h' | 'd'];
      asked.push(seconds);
      const row = onTable(['prefix', '_value']);
      const total = Math.min(perSecond * seconds, 1_000_000);
      const ids = Array.from({ length: total }, (_, i) => String(100_000_000 + ((i * 2_654_435_761) % 900_000_000)));
      for (const id of ids.sort()) {
        row([id.slice(0, 4), id]);
        if (signal?.aborted === true) throw new UserpulseError('aborted', 'Enough.');
      }
      await Promise.resolve();
    },
  });
  it('is an error where the bucket has IDs of another format, or text by first characters', () => {
    const hashed: PrefixScheme = { by: 'hash', length: 3 };
    const text: Schema = { ...SCHEMA, ids: { user: 'text', share: 'text' }, userPrefix: hashed, sharePrefix: hashed };
    const names = Array.from({ length: 500 }, (_, n) => `user:${n}`);
    expect(judgeSamples(new Map([['made', written(names, hashed)]]), text)).toMatchObject({ state: 'ok' });
    const other = judgeSamples(new Map([['made', written(names, hashed)]]), SCHEMA);
    expect(other).toMatchObject({ state: 'error' });
    expect(other.message).toContain('USERPULSE_USER_ID=int64');
    // Numbers are text, too, but not by this scheme.
    const numbers = judgeSamples(new Map([['made', written(sequential, SCHEMA.userPrefix)]]), text);
    expect(numbers).toMatchObject({ state: 'error' });
    expect(numbers.hint).toContain('USERPULSE_USER_PREFIX=first:4');
  });

  it('advises a longer hash of text IDs that crowd on a prefix', () => {
    const short: PrefixScheme = { by: 'hash', length: 1 };
    const text: Schema = { ...SCHEMA, ids: { user: 'text', share: 'text' }, userPrefix: short, sharePrefix: short };
    const names = Array.from({ length: 5_000 }, (_, n) => `user:${n}`);
    const result = judgeSamples(new Map([['made', written(names, short)]]), text);
    expect(result).toMatchObject({ state: 'warning' });
    expect(result.hint).toMatch(/USERPULSE_USER_PREFIX=hash:[2-5]/);
  });

  it.each([0, 0.01, 3, 300, 3_000, 30_000])('is fine for ids that spread evenly, at %d a second', async (perSecond) => {
    const asked: number[] = [];
    const users: Schema = {
      ...SCHEMA,
      ids: { user: 'int64', share: 'int64' },
      sharePrefix: { by: 'first', length: 4 },
    };
    const result = await schemeCheck(steady(perSecond, asked), users).run(new AbortController().signal);
    expect(result).toMatchObject({ state: 'ok' });
    expect(Math.max(...asked) * perSecond).toBeLessThanOrEqual(30_000);
  });
  it('does not mind that shares of one time share a prefix', () => {
    const shares = Array.from({ length: 3000 }, (_, i) => `65ba3a${i.toString(16).padStart(18, '0')}`);
    const result = judgeSamples(new Map([['share', written(shares, SCHEMA.sharePrefix)]]), SCHEMA);
    expect(result.state).toBe('ok');
  });
  it('minds very many shares on one prefix, and suggests a longer one', () => {
    const shares = Array.from({ length: 6000 }, (_, i) => `65ba3a${i.toString(16).padStart(18, '0')}`);
    const result = judgeSamples(new Map([['share', written(shares, SCHEMA.sharePrefix)]]), SCHEMA);
    expect(result.state).toBe('warning');
    expect(result.hint).toContain('USERPULSE_SHARE_PREFIX=first:7');
  });
  it('puts data that is not found before data that is badly spread', () => {
    const samples = new Map([
      ['made', written(sequential, SCHEMA.userPrefix)],
      ['received', written(sequential, { by: 'last', length: 4 })],
    ] as const);
    expect(judgeSamples(samples, SCHEMA).state).toBe('error');
  });
});

describe('the lag', () => {
  const target = { stream: 's', archiveMaxAgeMs: 300_000 };
  it('may be as long as an archive object stays open', () => {
    const result = judgeLag([{ shardId: 'shard-0', kind: 'behind', lagMs: 299_000 }], target);
    expect(result.state).toBe('ok');
    expect(result.message).toContain('shard-0 5 min');
  });
  it('beyond that is a warning', () => {
    const result = judgeLag(
      [
        { shardId: 'shard-0', kind: 'behind', lagMs: 0 },
        { shardId: 'shard-1', kind: 'behind', lagMs: 7_200_000 },
      ],
      target,
    );
    expect(result.state).toBe('warning');
    expect(result.message).toContain('shard-1 2 h');
  });
  it('of a stream that nobody reads says so', () => {
    const result = judgeLag([{ shardId: 'shard-0', kind: 'unread', lagMs: 7_200_000 }], target);
    expect(result.state).toBe('warning');
    expect(result.hint).toContain('userpulse ingest');
  });
  it('is an error where the checkpoint fits the stream no more', () => {
    const result = judgeLag([{ shardId: 'shard-0', kind: 'expired' }], target);
    expect(result).toMatchObject({ state: 'error', code: 'checkpoint_trimmed' });
  });
  it('of shards read to their end is none', () => {
    expect(judgeLag([{ shardId: 'shard-0', kind: 'done' }], target)).toMatchObject({ state: 'ok' });
  });

  const reading = { mode: 'running', streamTroubleSinceMs: undefined };
  it.each([
    ['ok', { ...reading, shards: [{ shardId: 'a', state: 'reading', hold: undefined, millisBehindLatest: 900 }] }],
    [
      'warning',
      { ...reading, shards: [{ shardId: 'a', state: 'reading', hold: undefined, millisBehindLatest: 900_000 }] },
    ],
    ['ok', { ...reading, shards: [{ shardId: 'a', state: 'done', hold: undefined, millisBehindLatest: 900_000 }] }],
    ['warning', { ...reading, mode: 'warming', shards: [] }],
    ['error', { ...reading, streamTroubleSinceMs: 5, shards: [] }],
  ] as const)('of an ingest in this process is %s for %j', (state, status) => {
    expect(judgeReading(status).state).toBe(state);
  });
  it('says which shards are held, since when, why, and how to go on', () => {
    const hold = { sinceMs: Date.UTC(2026, 0, 31), reason: '900 of the last 1,000 records are not valid events.' };
    const shards = [
      { shardId: 'shardId-1', state: 'held', hold, millisBehindLatest: 0 },
      { shardId: 'shardId-2', state: 'reading', hold: undefined, millisBehindLatest: 900_000 },
    ];
    const result = judgeReading({ ...reading, shards });
    expect(result).toMatchObject({
      state: 'warning',
      message:
        'Shard shardId-1 has been held since 2026-01-31T00:00:00.000Z: 900 of the last 1,000 records are not valid events.',
    });
    expect(result.hint).toContain('"userpulse release --shard shardId-1"');
  });
});

describe('a preflight', () => {
  const wrongToken = failed('influxdb', 'influx_unauthorized', 'Token (INFLUX_TOKEN).', 'Set it.');
  const caught = (results: Parameters<typeof refuse>[0]): UserpulseError => {
    try {
      refuse(results);
    } catch (error) {
      if (error instanceof UserpulseError) return error;
    }
    throw new Error('refuse let it pass.');
  };
  it('lets warnings pass', () => {
    expect(() => refuse([passed('influxdb', ''), warned('lag', 'behind', 'wait')])).not.toThrow();
  });
  it('says one thing in one sentence, with its code', () => {
    const error = caught([wrongToken, passed('archive', '')]);
    expect(error.code).toBe('influx_unauthorized');
    expect(error.describe()).toBe('cannot start. Token (INFLUX_TOKEN). Set it.');
  });
  it('says everything that is wrong at once', () => {
    const error = caught([wrongToken, failed('stream', 'stream_not_found', 'Stream (USERPULSE_STREAM).', 'Make it.')]);
    expect(error.describe()).toContain('INFLUX_TOKEN');
    expect(error.describe()).toContain('USERPULSE_STREAM');
  });
  it('does not blame the buckets for what InfluxDB itself refuses', () => {
    const error = caught([wrongToken, { ...wrongToken, name: 'buckets' }]);
    expect(error.describe()).toBe('cannot start. Token (INFLUX_TOKEN). Set it.');
  });
});
