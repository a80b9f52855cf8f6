import { setTimeout as sleep } from 'node:timers/promises';
import { ID_PRESETS } from '../../contract/presets.ts';
import type { FrameJson, InteractionsResult, QueryResponse, TopResult, TypesResult } from '../../contract/answers.ts';
import type { UserpulseServer } from './cli.ts';
import { createBuckets, influxWrite, type TestBuckets } from './parts.ts';
import { chooser } from './seeded.ts';

/*
 * Clients that ask `serve` for the largest answers there are, over data whose every answer is known: each window of each type has one
 * interaction of everyone's, each by a user of its own; some users have a few, evenly spread.
 */

export interface LoadSize {
  /** Types of everyone's interactions, at most 100. */
  readonly types: number;
  /** Windows of a minute, at most 11,000. */
  readonly windows: number;
}

/** Users with series of their own, and their types and interactions of each. */
const USERS = Array.from({ length: 50 }, (_, i) => String(5000 + i));
const USER_TYPES = ['t00', 't01'];
const STEP = 55;
const MINUTE = 60_000;
const DAY = 1_440;
const LINES = 20_000;

export interface LoadWorld {
  readonly size: LoadSize;
  readonly buckets: TestBuckets;
  /** Start of the first window, epoch ms. The last has ended two hours ago. */
  readonly fromMs: number;
  readonly toMs: number;
}

export async function fillWorld(size: LoadSize, nowMs: number, say: (text: string) => void): Promise<LoadWorld> {
  const buckets = await createBuckets('query-load');
  const toMs = Math.floor(nowMs / MINUTE) * MINUTE - 120 * MINUTE;
  const fromMs = toMs - size.windows * MINUTE;
  let lines: string[] = [];
  for (let window = 0; window < size.windows; window++) {
    for (let type = 0; type < size.types; type++) {
      const id = 1_000_000 + window * size.types + type;
      lines.push(
        `interaction,type=t${String(type).padStart(2, '0')} made=${id}i,received=${id}i ${fromMs + window * MINUTE + type}000000`,
      );
    }
    if (lines.length < LINES && window < size.windows - 1) continue;
    await influxWrite(buckets.total, lines);
    say(`writing: ${window + 1} of ${size.windows} windows`);
    lines = [];
  }
  for (const [i, id] of USERS.entries()) {
    const own = USER_TYPES.flatMap((type) =>
      Array.from(
        { length: Math.ceil(size.windows / STEP) },
        (_, n) => `interaction,prefix=${id},type=${type} user=${id}i ${fromMs + n * STEP * MINUTE + i}000000`,
      ),
    );
    await influxWrite(buckets.made, own);
  }
  return { size, buckets, fromMs, toMs };
}

/** One kind of question. */
interface Kind {
  readonly name: string;
  readonly path: string;
  readonly body?: object;
  /** What is wrong with the text of a 200; undefined where nothing is. */
  readonly judge: (text: string) => string | undefined;
}

const total = (values: readonly (number | string | null)[]): number =>
  values.reduce<number>((sum, value) => sum + Number(value ?? 0), 0);

/** Compares the sums of a frame's series, told apart by whether they are the earlier ones. */
function judgeFrame(frame: FrameJson | undefined, series: number, now: number, earlier = 0): string | undefined {
  if (frame === undefined) return 'no frame';
  const sums = { now: 0, earlier: 0 };
  frame.schema.fields.forEach((field, i) => {
    if (field.type === 'number')
      sums[field.labels?.['compare'] === undefined ? 'now' : 'earlier'] += total(frame.data.values[i] ?? []);
  });
  const counted = frame.schema.fields.length - 1;
  if (counted !== series) return `${counted} series instead of ${series}`;
  if (Math.abs(sums.now - now) > 1e-6 * now) return `${sums.now} interactions instead of ${now}`;
  if (sums.earlier !== earlier) return `${sums.earlier} earlier interactions instead of ${earlier}`;
  return undefined;
}

function judgeResults(text: string, judge: (frame: FrameJson | undefined) => string | undefined): string | undefined {
  const { results } = JSON.parse(text) as QueryResponse;
  for (const [refId, result] of Object.entries(results)) {
    if ('error' in result) {
      // Of a ranking nobody knows beforehand how large it becomes.
      if (result.status === 413 || result.status === 429) continue;
      return `${refId}: ${result.error}`;
    }
    const wrong = judge(result.frames[0]);
    if (wrong !== undefined) return `${refId}: ${wrong}`;
  }
  return undefined;
}

export function kindsOf({ size, fromMs, toMs }: LoadWorld): readonly Kind[] {
  const range = { from: fromMs, to: toMs };
  const address = `from=${fromMs}&to=${toMs}`;
  const perSeries = Math.ceil(size.windows / STEP);
  const ofUsers = USERS.length * USER_TYPES.length * perSeries;
  const users = { preset: ID_PRESETS[0], ids: USERS, types: USER_TYPES, every: '1m' };
  const half = USERS.slice(0, 25);
  // The earlier range begins a day before the data.
  const earlier = half.length * USER_TYPES.length * Math.ceil(Math.max(0, size.windows - DAY) / STEP);
  const several = (count: number): object => ({
    ...range,
    queries: Array.from({ length: count }, (_, i) => ({ refId: `Q${i}`, ...users })),
  });
  const judgeUsers = (text: string): string | undefined =>
    judgeResults(text, (frame) => judgeFrame(frame, 100, ofUsers));
  return [
    {
      name: 'everyone, 100 types',
      path: '/v1/query',
      body: { ...range, queries: [{ refId: 'A', preset: 'everyone', every: '1m' }] },
      judge: (text) => judgeResults(text, (frame) => judgeFrame(frame, size.types, size.types * size.windows)),
    },
    { name: '50 users by type', path: '/v1/query', body: several(1), judge: judgeUsers },
    {
      name: '50 users, rate',
      path: '/v1/query',
      body: { ...range, queries: [{ refId: 'A', ...users, calc: 'rate' }] },
      judge: (text) => judgeResults(text, (frame) => judgeFrame(frame, 100, ofUsers / 60)),
    },
    {
      name: '25 users and the day before',
      path: '/v1/query',
      body: { ...range, queries: [{ refId: 'A', ...users, ids: half, compareTo: '1d' }] },
      judge: (text) => judgeResults(text, (frame) => judgeFrame(frame, 100, ofUsers / 2, earlier)),
    },
    { name: '4 such queries at once', path: '/v1/query', body: several(4), judge: judgeUsers },
    { name: '50 such queries at once', path: '/v1/query', body: several(50), judge: judgeUsers },
    {
      name: 'one user as JSON',
      path: `/v1/interactions/made/${USERS[0] ?? ''}?${address}&every=1m`,
      judge: (text) => {
        const sum = (JSON.parse(text) as InteractionsResult).series.reduce(
          (s, one) => s + total(one.points.map((p) => p[1])),
          0,
        );
        return sum === 2 * perSeries ? undefined : `${sum} interactions`;
      },
    },
    {
      name: 'one user as CSV',
      path: `/v1/interactions/made/${USERS[0] ?? ''}?${address}&every=1m&format=csv`,
      judge: (text) => {
        const sum = total(
          text
            .trimEnd()
            .split('\r\n')
            .slice(1)
            .map((line) => Number(line.split(',')[2])),
        );
        return sum === 2 * perSeries ? undefined : `${sum} interactions`;
      },
    },
    {
      name: 'ranking of all users',
      path: `/v1/top?of=received&n=1000&${address}`,
      judge: (text) => {
        const { top } = JSON.parse(text) as TopResult;
        return top.length === Math.min(1000, size.types * size.windows) && top[0]?.id === '1000000'
          ? undefined
          : `${top.length} ids from ${top[0]?.id ?? ''} on`;
      },
    },
    {
      name: 'active users of each day',
      path: '/v1/query',
      body: { ...range, queries: [{ refId: 'A', preset: 'everyone', calc: 'unique', every: '1d', groupBy: [] }] },
      // Each interaction is by a user of its own.
      judge: (text) => judgeResults(text, (frame) => judgeFrame(frame, 1, size.types * size.windows)),
    },
    {
      name: 'types',
      path: `/v1/types?${address}`,
      judge: (text) => {
        const { types } = JSON.parse(text) as TypesResult;
        return types.length === size.types ? undefined : `${types.length} types`;
      },
    },
  ];
}

/** What came of the requests of one kind. */
export interface Tally {
  readonly kind: string;
  answered: number;
  tooLarge: number;
  busy: number;
  left: number;
  bytes: number;
}

export interface LoadOutcome {
  readonly tallies: readonly Tally[];
  /** Answers that should not have been. */
  readonly wrong: readonly string[];
}

/**
 * So many clients, each asking one question after another until the signal aborts. Some leave before their answer, some read slowly; most
 * want an answer of their own, the others take what is at hand.
 */
export async function runClients(
  server: UserpulseServer,
  world: LoadWorld,
  { clients, seed, until }: { readonly clients: number; readonly seed: number; readonly until: AbortSignal },
): Promise<LoadOutcome> {
  const kinds = kindsOf(world);
  const tallies = kinds.map(({ name }): Tally => ({
    kind: name,
    answered: 0,
    tooLarge: 0,
    busy: 0,
    left: 0,
    bytes: 0,
  }));
  const wrong: string[] = [];
  const client = async (number: number): Promise<void> => {
    const random = chooser(seed * 1_000 + number);
    while (!until.aborted) {
      const at = random.below(kinds.length);
      const [kind, tally] = [kinds[at], tallies[at]];
      if (kind === undefined || tally === undefined) return;
      const [manner, own] = [random.next(), random.next() < 0.7];
      const leave = new AbortController();
      const timer = manner < 0.1 ? setTimeout(() => leave.abort(), random.below(2_000)) : undefined;
      try {
        const answer = await server.fetch(kind.path, {
          method: kind.body === undefined ? 'GET' : 'POST',
          headers: {
            ...(own ? { 'cache-control': 'no-cache' } : {}),
            ...(kind.body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(kind.body === undefined ? {} : { body: JSON.stringify(kind.body) }),
          signal: leave.signal,
        });
        if (manner > 0.9) await sleep(2_000);
        const text = await answer.text();
        tally.bytes += text.length;
        if (answer.status === 413 && text.includes('answer_too_large') && text.includes('USERPULSE_QUERY_MAX_BYTES'))
          tally.tooLarge++;
        else if (answer.status === 429 && text.includes('overloaded') && answer.headers.has('retry-after')) {
          tally.busy++;
          await sleep(1_000 * Number(answer.headers.get('retry-after')) * (0.5 + random.next()));
        } else if (answer.status === 200) {
          const problem = kind.judge(text);
          if (problem === undefined) tally.answered++;
          else wrong.push(`${kind.name}: ${problem}`);
        } else wrong.push(`${kind.name}: HTTP ${answer.status} ${text.slice(0, 300)}`);
      } catch (error) {
        if (leave.signal.aborted) tally.left++;
        else
          wrong.push(
            `${kind.name}: ${String(error)} ${(error as { readonly cause?: { readonly message?: string } }).cause?.message ?? ''}`,
          );
      } finally {
        clearTimeout(timer);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  return { tallies, wrong };
}

/** A value of the metrics, over all labels; 0 where there is none. */
export const metricOf = (metrics: string, name: string): number =>
  [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );
