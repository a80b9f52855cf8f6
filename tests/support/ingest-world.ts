import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'vitest';
import { aggregate } from '../../backend/src/event/kpl.ts';
import { IngestProcess, type Program } from './ingest-process.ts';
import { bytesOf, NO_DIFFERENCE, Oracle, ROLES, type Difference, type Role, type TestEvent } from './oracle.ts';
import {
  createBuckets,
  createS3Bucket,
  createStream,
  eventually,
  kinesis,
  partsEnv,
  temporaryFolder,
  type TestBuckets,
} from './parts.ts';
import { archiveObjects, storedLines, storedPoints, type ArchivePlace } from './stored.ts';

export type { TestEvent } from './oracle.ts';

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

export interface WorldOptions {
  readonly shards?: number;
  readonly archive?: 'file' | 's3';
  readonly env?: Readonly<Record<string, string>>;
  readonly program?: Program;
}

/** A store's difference from the oracle, beside what it should hold. */
export interface Verdict extends Difference {
  readonly expected: number;
}

function countOf(items: Iterator<unknown>): number {
  let count = 0;
  while (items.next().done !== true) count++;
  return count;
}

/**
 * One stream with its own buckets, archive and checkpoint on the local parts, and what the stores must hold for what was put.
 */
export class IngestWorld {
  readonly stream: string;
  readonly buckets: TestBuckets;
  readonly checkpointFolder: string;
  readonly archive: ArchivePlace;
  readonly oracle = new Oracle();
  readonly #program: Program;
  readonly #env: Record<string, string>;
  readonly #processes: IngestProcess[] = [];
  #records = 0;
  /** Last record put, per shard. */
  readonly #lastPut = new Map<string, bigint>();

  private constructor(
    stream: string,
    buckets: TestBuckets,
    checkpointFolder: string,
    archive: ArchivePlace,
    options: WorldOptions,
  ) {
    this.stream = stream;
    this.buckets = buckets;
    this.checkpointFolder = checkpointFolder;
    this.archive = archive;
    this.#program = options.program ?? 'source';
    this.#env = {
      ...buckets.env,
      USERPULSE_STREAM: stream,
      USERPULSE_CHECKPOINT: pathToFileURL(checkpointFolder).href,
      USERPULSE_ARCHIVE: archive.kind === 'file' ? pathToFileURL(archive.folder).href : `s3://${archive.bucket}/raw`,
      USERPULSE_LISTEN: '127.0.0.1:0',
      USERPULSE_ARCHIVE_MAX_AGE_MS: '1000',
      ...options.env,
    };
  }

  static async create(options: WorldOptions = {}): Promise<IngestWorld> {
    const stream = await createStream(options.shards ?? 1);
    const buckets = await createBuckets('ingest');
    const checkpoint = join(await temporaryFolder('checkpoint'), 'made-by-ingest');
    const archive =
      options.archive === 's3'
        ? ({ kind: 's3', bucket: await createS3Bucket() } as const)
        : ({ kind: 'file', folder: join(await temporaryFolder('archive'), 'made-by-ingest') } as const);
    return new IngestWorld(stream, buckets, checkpoint, archive, options);
  }

  /** A second world on the same stream: other buckets, checkpoint and archive, and the same expectation. */
  async sibling(archive: 'file' | 's3', env: Readonly<Record<string, string>>): Promise<IngestWorld> {
    const other = await IngestWorld.create({ archive, env, program: this.#program });
    other.#env['USERPULSE_STREAM'] = this.stream;
    other.oracle.include(this.oracle);
    return other;
  }

  /** Environment of `userpulse ingest` in this world. */
  env(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return partsEnv({ ...this.#env, ...extra });
  }

  /** One record per event. */
  async put(events: readonly TestEvent[], hashKey?: string): Promise<void> {
    for (const event of events) this.oracle.event(event);
    await this.putBytes(events.map(bytesOf), hashKey);
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
    for (const event of events) this.oracle.event(event);
    await this.putBytes(records);
  }

  /** Records that no event is in. */
  async putPoison(records: readonly Buffer[], hashKey?: string): Promise<void> {
    for (const record of records) this.oracle.poison(record);
    await this.putBytes(records, hashKey);
  }

  /** @param hashKey decides the shard; without it, the records are spread over all */
  async putBytes(records: readonly Uint8Array[], hashKey?: string): Promise<void> {
    let left = records.map((Data, n) => ({ Data, PartitionKey: `key-${n}`, ExplicitHashKey: hashKey }));
    while (left.length > 0) {
      const now = left.slice(0, 200);
      const { Records } = await kinesis().send(new PutRecordsCommand({ StreamName: this.stream, Records: now }));
      for (const { ShardId, SequenceNumber } of Records ?? []) {
        if (ShardId === undefined || SequenceNumber === undefined) continue;
        this.#lastPut.set(ShardId, BigInt(SequenceNumber));
        this.#records++;
      }
      left = [...now.filter((_, n) => Records?.[n]?.ErrorCode !== undefined), ...left.slice(200)];
    }
  }

  /** Records on the stream. */
  get records(): number {
    return this.#records;
  }

  /** @param preload a module that the process imports before the program */
  ingest(extra: Readonly<Record<string, string>> = {}, preload?: string): IngestProcess {
    const child = new IngestProcess(this.env(extra), this.#program, preload);
    this.#processes.push(child);
    return child;
  }

  /** Ends what a failed test has left running. */
  async end(): Promise<void> {
    for (const child of this.#processes) child.kill('SIGKILL');
    await Promise.all(this.#processes.map((child) => child.exit));
  }

  /** What each bucket must hold, sorted: `type prefix field value ms` per field. */
  expectedPoints(role: Role): string[] {
    return [...this.oracle.points(role)].map((p) => `${p.type} ${p.prefix} ${p.field} ${p.value} ${p.ms}`).sort();
  }

  async storedPoints(role: Role): Promise<string[]> {
    const points: string[] = [];
    for await (const p of storedPoints(this.buckets[role]))
      points.push(`${p.type} ${p.prefix} ${p.field} ${p.value} ${p.ms}`);
    return points.sort();
  }

  /** Key → content of the archive, dead letters included. */
  async objects(): Promise<Map<string, Buffer>> {
    const out = new Map<string, Buffer>();
    for await (const [key, content] of archiveObjects(this.archive)) out.set(key, content);
    return out;
  }

  async storedLines(kind: 'archive' | 'rejected'): Promise<string[]> {
    const lines: string[] = [];
    for await (const { line } of storedLines(this.archive, kind)) lines.push(line);
    return lines.sort();
  }

  /** Contents, not counts: every point, line and dead letter that is missing or too many, by store. */
  async verdicts(): Promise<ReadonlyMap<string, Verdict>> {
    const out = new Map<string, Verdict>();
    const { oracle } = this;
    for (const role of ROLES) {
      const difference = await oracle.comparePoints(role, storedPoints(this.buckets[role]));
      out.set(`points of ${role}`, { expected: countOf(oracle.points(role)), ...difference });
    }
    const { archive } = this;
    const wrongDay: string[] = [];
    const lines = async function* (): AsyncGenerator<string> {
      for await (const { key, line } of storedLines(archive, 'archive')) {
        const { occurredAt } = JSON.parse(line) as TestEvent;
        const day = new Date(occurredAt).toISOString().slice(0, 10).replaceAll('-', '/');
        if (!key.startsWith(`${day}/`)) wrongDay.push(`${key}: ${line}`);
        yield line;
      }
    };
    out.set('archive lines', { expected: countOf(oracle.lines()), ...(await oracle.compareLines(lines())) });
    out.set('archive lines below another day than their own', { expected: 0, missing: [], surplus: wrongDay });
    const letters = async function* (): AsyncGenerator<string> {
      for await (const { line } of storedLines(archive, 'rejected')) yield (JSON.parse(line) as { data: string }).data;
    };
    out.set('dead letters', { expected: countOf(oracle.letters()), ...(await oracle.compareLetters(letters())) });
    return out;
  }

  /** Every point, line and dead letter that must be there, and no other. A failure shows the first few of each kind. */
  async expectExact(): Promise<void> {
    for (const [what, { missing, surplus }] of await this.verdicts()) {
      expect({ missing: missing.slice(0, 5), surplus: surplus.slice(0, 5) }, `${what} that differ`).toEqual(
        NO_DIFFERENCE,
      );
    }
  }

  /** Whether any shard's checkpoint has been written. */
  async hasCheckpoint(): Promise<boolean> {
    const files = await readdir(this.checkpointFolder).catch(() => []);
    return files.some((file) => file.startsWith('shardId-'));
  }

  /** Last record put so far, per shard: what {@link untilDurable} waits for. */
  marks(): ReadonlyMap<string, bigint> {
    return new Map(this.#lastPut);
  }

  /** Waits until the checkpoints say that all of these records are durable in every sink. */
  async untilDurable(marks = this.marks(), timeoutMs = 60_000): Promise<void> {
    const behind = new Map(marks);
    await eventually(
      async () => {
        await Promise.all(
          [...behind].map(async ([shardId, mark]) => {
            if (await this.#hasPassed(shardId, mark)) behind.delete(shardId);
          }),
        );
        return behind.size === 0;
      },
      { what: 'every checkpoint to pass the last record put', timeoutMs, intervalMs: 50 },
    ).catch((error: unknown) => {
      const log = this.#processes.at(-1)?.log.slice(-3000) ?? '';
      throw new Error(`${[...behind.keys()].join(', ')} stay behind.\n${log}`, { cause: error });
    });
  }

  async #hasPassed(shardId: string, mark: bigint): Promise<boolean> {
    const text = await readFile(join(this.checkpointFolder, `${shardId}.json`), 'utf8').catch(() => undefined);
    if (text === undefined || text === '') return false;
    const { sequenceNumber, done } = JSON.parse(text) as { sequenceNumber: string | null; done: boolean };
    return done || (sequenceNumber !== null && BigInt(sequenceNumber) >= mark);
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
        (await this.storedLines('archive')).length + (await this.storedLines('rejected')).length >= this.oracle.sent,
      { what: 'all lines', timeoutMs, intervalMs: 250 },
    );
  }
}
