import { prefixOf, type BucketNames, type Schema } from '../backend/src/schema/buckets.ts';
import type { InfluxAccess } from '../tools/stores.ts';

/** Synthetic events over some days: Zipf users, five types, written straight to influxd so that loading measures nothing else. */
export interface DataSet {
  readonly events: number;
  readonly users: number;
  readonly fromMs: number;
  readonly days: number;
}

export const SCHEMA = {
  userPrefix: { side: 'first', length: 4 },
  sharePrefix: { side: 'first', length: 6 },
} as const satisfies Omit<Schema, 'buckets'>;

const TYPES = ['view', 'view', 'view', 'like', 'like', 'comment', 'share', 'follow'] as const;
/** Users have seven digits, none leading with 0. */
export const FIRST_USER = 1_000_003;

/** mulberry32: small, fast, seeded. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The user of a rank, spread over the id space so that rank says nothing about the prefix. */
export const userOfRank = (rank: number, users: number): string =>
  String(FIRST_USER + ((rank * 7_368_787) % users) * Math.floor(8_999_990 / users));

/** A rank from a Zipf law with exponent about 1, by inverting its continuous form. */
const zipf = (uniform: number, users: number): number => Math.min(users - 1, Math.floor(users ** uniform) - 1);

/** Writes one role's points, in time order, 25,000 a request. */
async function load(
  influx: InfluxAccess,
  bucket: string,
  data: DataSet,
  line: (next: () => number, ms: number) => string,
): Promise<void> {
  const url = new URL('/api/v2/write', influx.url);
  url.search = new URLSearchParams({ org: influx.org, bucket, precision: 'ns' }).toString();
  // Every bucket gets the same events.
  const next = random(1);
  const step = (data.days * 86_400_000) / data.events;
  for (let start = 0; start < data.events; start += 25_000) {
    const lines: string[] = [];
    for (let i = start; i < Math.min(start + 25_000, data.events); i++) {
      const ms = Math.floor(data.fromMs + i * step);
      lines.push(`${line(next, ms)} ${ms}${String(i % 1_000_000).padStart(6, '0')}`);
    }
    const answer = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Token ${influx.token}` },
      body: lines.join('\n'),
    });
    if (!answer.ok) throw new Error(`InfluxDB answered ${answer.status}: ${await answer.text()}`);
  }
}

export async function loadDataSet(influx: InfluxAccess, buckets: BucketNames, data: DataSet): Promise<void> {
  const type = (next: () => number): string => TYPES[Math.floor(next() * TYPES.length)] ?? 'view';
  const user = (next: () => number): string => userOfRank(zipf(next(), data.users), data.users);
  await load(influx, buckets.made, data, (next) => {
    const id = user(next);
    return `interaction,prefix=${prefixOf(id, SCHEMA.userPrefix)},type=${type(next)} user=${id}i`;
  });
  await load(influx, buckets.total, data, (next) => {
    const id = user(next);
    return `interaction,type=${type(next)} made=${id}i`;
  });
}
