import { spawn, type ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'vitest';
import { aggregate } from '../../backend/src/event/kpl.ts';
import {
  createBuckets,
  createS3Bucket,
  createStream,
  eventually,
  influxRows,
  kinesis,
  listKeys,
  partsEnv,
  readObject,
  temporaryFolder,
  type TestBuckets,
} from './parts.ts';

export interface TestEvent {
  readonly eventId: string;
  readonly type: string;
  /** ms */
  readonly occurredAt: number;
  readonly actorId: string;
  readonly receiverId?: string;
  readonly shareId?: string;
}

let serial = 0;

/** A valid event like no other; times lie in July 2012 unless said otherwise. */
export function testEvent(fields: Partial<TestEvent> = {}): TestEvent {
  const n = serial++;
  return {
    eventId: `event-${process.pid}-${n}`,
    type: ['like', 'reply', 'retweet'][n % 3]!,
    occurredAt: 1_341_100_972_000 + n * 37,
    actorId: String(100_000 + (n % 50)),
    receiverId: String(9_007_199_254_740_993n + BigInt(n % 40)),
    ...(n % 2 === 0 ? { shareId: (0x4ff3_0000_0000n + BigInt(n)).toString(16).padStart(24, '4') } : {}),
    ...fields,
  };
}

export const testEvents = (count: number, fields: Partial<TestEvent> = {}): TestEvent[] =>
  Array.from({ length: count }, () => testEvent(fields));

const bytesOf = (event: TestEvent): Buffer => Buffer.from(JSON.stringify(event));

/**
 * One stream with its own buckets, archive and checkpoint on the local parts, and what the stores must hold for what was put. The
 * expectation is made without any of ingest's own code but KPL's wire format.
 */
export class IngestWorld {
  readonly stream: string;
  readonly buckets: TestBuckets;
  readonly checkpointFolder: string;
  readonly archive:
    { readonly kind: 'file'; readonly folder: string } | { readonly kind: 's3'; readonly bucket: string };
  readonly #env: Record<string, string>;
  readonly #events: TestEvent[] = [];
  readonly #rejected: Buffer[] = [];
  readonly #processes: IngestProcess[] = [];

  private constructor(
    stream: string,
    buckets: TestBuckets,
    checkpointFolder: string,
    archive: IngestWorld['archive'],
    env: Readonly<Record<string, string>>,
  ) {
    this.stream = stream;
    this.buckets = buckets;
    this.checkpointFolder = checkpointFolder;
    this.archive = archive;
    this.#env = {
      ...buckets.env,
      USERPULSE_STREAM: stream,
      USERPULSE_CHECKPOINT: pathToFileURL(checkpointFolder).href,
      USERPULSE_ARCHIVE: archive.kind === 'file' ? pathToFileURL(archive.folder).href : `s3://${archive.bucket}/raw`,
      USERPULSE_LISTEN: '127.0.0.1:0',
      USERPULSE_ARCHIVE_MAX_AGE_MS: '1000',
      ...env,
    };
  }

  static async create(
    options: {
      readonly shards?: number;
      readonly archive?: 'file' | 's3';
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<IngestWorld> {
    const stream = await createStream(options.shards ?? 1);
    const buckets = await createBuckets('ingest');
    const checkpoint = join(await temporaryFolder('checkpoint'), 'made-by-ingest');
    const archive =
      options.archive === 's3'
        ? ({ kind: 's3', bucket: await createS3Bucket() } as const)
        : ({ kind: 'file', folder: join(await temporaryFolder('archive'), 'made-by-ingest') } as const);
    return new IngestWorld(stream, buckets, checkpoint, archive, options.env ?? {});
  }

  /** A second world on the same stream: other buckets, checkpoint and archive, and the same expectation. */
  async sibling(archive: 'file' | 's3', env: Readonly<Record<string, string>>): Promise<IngestWorld> {
    const other = await IngestWorld.create({ archive, env });
    other.#env['USERPULSE_STREAM'] = this.stream;
    other.#events.push(...this.#events);
    other.#rejected.push(...this.#rejected);
    return other;
  }

  /** Environment of `userpulse ingest` in this world. */
  env(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return partsEnv({ ...this.#env, ...extra });
  }

  /** One record per event. */
  async put(events: readonly TestEvent[]): Promise<void> {
    await this.putBytes(events.map(bytesOf));
    this.#events.push(...events);
  }

  /** Events in KPL-aggregated records of so many sub-records. */
  async putAggregated(events: readonly TestEvent[], perRecord = 100): Promise<void> {
    const records: Buffer[] = [];
    for (let at = 0; at < events.length; at += perRecord) {
      const { data } = aggregate(
        events.slice(at, at + perRecord).map((event) => ({ partitionKey: event.actorId, data: bytesOf(event) })),
      );
      records.push(Buffer.from(data));
    }
    await this.putBytes(records);
    this.#events.push(...events);
  }

  /** Records that no event is in. */
  async putPoison(records: readonly Buffer[]): Promise<void> {
    await this.putBytes(records);
    this.#rejected.push(...records);
  }

  async putBytes(records: readonly Buffer[]): Promise<void> {
    let left = records.map((Data, n) => ({ Data, PartitionKey: `key-${n}` }));
    while (left.length > 0) {
      const now = left.slice(0, 200);
      const { Records } = await kinesis().send(new PutRecordsCommand({ StreamName: this.stream, Records: now }));
      left = [...now.filter((_, n) => Records?.[n]?.ErrorCode !== undefined), ...left.slice(200)];
    }
  }

  /** `userpulse ingest` as a process of its own. */
  ingest(extra: Readonly<Record<string, string>> = {}): IngestProcess {
    const child = new IngestProcess(this.env(extra));
    this.#processes.push(child);
    return child;
  }

  /** Ends what a failed test has left running. */
  async end(): Promise<void> {
    for (const child of this.#processes) child.kill('SIGKILL');
    await Promise.all(this.#processes.map((child) => child.exit));
  }

  /** What each bucket must hold, sorted: `type prefix id ms` per point; for total `type field id ms` per field. Events sent twice are one. */
  expectedPoints(role: 'made' | 'received' | 'share' | 'total'): string[] {
    const unique = [...new Map(this.#events.map((event) => [event.eventId, event])).values()];
    const id = (e: TestEvent) => (role === 'made' ? e.actorId : role === 'received' ? e.receiverId : e.shareId);
    return unique
      .flatMap((e) => {
        if (role === 'total') {
          const fields = { made: e.actorId, received: e.receiverId, share: e.shareId };
          return Object.entries(fields).flatMap(([field, value]) =>
            value === undefined ? [] : [`${e.type} ${field} ${value} ${e.occurredAt}`],
          );
        }
        const value = id(e);
        return value === undefined
          ? []
          : [`${e.type} ${value.slice(0, role === 'share' ? 6 : 4)} ${value} ${e.occurredAt}`];
      })
      .sort();
  }

  async storedPoints(role: 'made' | 'received' | 'share' | 'total'): Promise<string[]> {
    const rows = await influxRows(
      `from(bucket: "${this.buckets[role]}") |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
        |> map(fn: (r) => ({_time: r._time, type: r.type, prefix: ${role === 'total' ? 'r._field' : 'r.prefix'}, value: string(v: r._value)})) |> group()`,
    );
    return rows
      .map((r) => `${String(r['type'])} ${String(r['prefix'])} ${String(r['value'])} ${Date.parse(String(r['_time']))}`)
      .sort();
  }

  expectedLines(): string[] {
    return this.#events.map((event) => JSON.stringify(event)).sort();
  }

  /** Key → content of the archive, dead letters included. */
  async objects(): Promise<Map<string, Buffer>> {
    const out = new Map<string, Buffer>();
    if (this.archive.kind === 's3') {
      for (const key of await listKeys(this.archive.bucket)) {
        out.set(key.replace(/^raw\//, ''), await readObject(this.archive.bucket, key));
      }
      return out;
    }
    const { folder } = this.archive;
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      out.set(path.slice(folder.length + 1), await readFile(path));
    }
    return out;
  }

  async storedLines(kind: 'archive' | 'rejected'): Promise<string[]> {
    const lines: string[] = [];
    for (const [key, content] of await this.objects()) {
      if (key.startsWith('_rejected/') !== (kind === 'rejected')) continue;
      for (const line of gunzipSync(content).toString().split('\n').slice(0, -1)) lines.push(line);
    }
    return lines.sort();
  }

  /** Contents, not counts: every point, line and dead letter that must be there, and no other. */
  async expectExact(): Promise<void> {
    for (const role of ['made', 'received', 'share', 'total'] as const) {
      const stored = await this.storedPoints(role);
      const expected = this.expectedPoints(role);
      expect(difference(stored, expected), `points of ${role} that differ`).toEqual({ missing: [], surplus: [] });
    }
    expect(difference(await this.storedLines('archive'), this.expectedLines()), 'archive lines that differ').toEqual({
      missing: [],
      surplus: [],
    });
    const letters = (await this.storedLines('rejected')).map((line) => (JSON.parse(line) as { data: string }).data);
    const expectedLetters = this.#rejected.map((data) => data.toString('base64'));
    expect(difference(letters.sort(), expectedLetters.sort()), 'dead letters that differ').toEqual({
      missing: [],
      surplus: [],
    });
  }

  /** Whether any shard's checkpoint has been written. */
  async hasCheckpoint(): Promise<boolean> {
    const files = await readdir(this.checkpointFolder).catch(() => []);
    return files.some((file) => file.startsWith('shardId-'));
  }

  /** Waits until InfluxDB holds as many points as it must, in all buckets. */
  async untilWritten(timeoutMs = 60_000): Promise<void> {
    await eventually(async () => (await this.storedPoints('total')).length >= this.expectedPoints('total').length, {
      what: 'all points',
      timeoutMs,
      intervalMs: 250,
    });
  }

  /** Waits until the archive holds as many lines as it must. */
  async untilArchived(timeoutMs = 60_000): Promise<void> {
    await eventually(
      async () =>
        (await this.storedLines('archive')).length + (await this.storedLines('rejected')).length >=
        this.#events.length + this.#rejected.length,
      { what: 'all lines', timeoutMs, intervalMs: 250 },
    );
  }
}

/** Differences of two sorted lists, as multisets; only the first of many. */
function difference(stored: readonly string[], expected: readonly string[]) {
  const counts = new Map<string, number>();
  for (const s of expected) counts.set(s, (counts.get(s) ?? 0) + 1);
  for (const s of stored) counts.set(s, (counts.get(s) ?? 0) - 1);
  const pick = (want: (n: number) => boolean) =>
    [...counts].filter(([, n]) => want(n)).map(([s, n]) => `${Math.abs(n)}× ${s}`);
  return { missing: pick((n) => n > 0).slice(0, 5), surplus: pick((n) => n < 0).slice(0, 5) };
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const MAIN = fileURLToPath(new URL('../../backend/src/main.ts', import.meta.url));

export class IngestProcess {
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcess;
  #log = '';
  #ended = false;

  constructor(env: Record<string, string>) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'ingest'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    this.exit = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
      }),
    );
  }

  get log(): string {
    return this.#log;
  }

  /** Waits until a line of the log holds a text. */
  async says(text: string, timeoutMs = 30_000): Promise<void> {
    await eventually(
      () => {
        if (this.#log.includes(text)) return true;
        if (this.#ended) throw new Error(`ingest ended:\n${this.#log}`);
        return false;
      },
      { what: `"${text}" in the log of ingest: ${this.#log.slice(-2000)}`, timeoutMs, intervalMs: 20 },
    );
  }

  async metrics(): Promise<string> {
    const url = /"url":"(http[^"]+)"/.exec(this.#log)?.[1];
    if (url === undefined) throw new Error('ingest does not listen yet.');
    return (await fetch(new URL('/metrics', url))).text();
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /** SIGTERM, and the end that follows. */
  async stop(): Promise<Exit> {
    this.kill('SIGTERM');
    return this.exit;
  }
}
