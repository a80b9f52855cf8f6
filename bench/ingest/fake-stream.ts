import { aggregate, hashOfPartitionKey, type UserRecord } from '../../backend/src/event/kpl.ts';
import { eventJson } from '../../backend/src/produce/event-json.ts';
import { z } from 'zod';
import { CONTEXTS, higgsEvents, padded, weekEvents } from './events.ts';
import { cbor } from '@smithy/core/cbor';
import { ShardData, WRITINGS, type Writing } from './shard-data.ts';

/** What a stream of the fake holds. All of it is made before anyone reads. */
export const streamSpec = z.object({
  name: z.string(),
  shards: z.number().int().min(1),
  events: z.number().int().min(1),
  eventBytes: z.number().int().min(1),
  /** What fills the events of the week up; absent: a text. */
  context: z.enum(CONTEXTS).exactOptional(),
  /** The Higgs file (see produce/higgs.ts), whose first events the stream then holds, as they are; absent: those of the generated week. */
  higgsFile: z.string().exactOptional(),
  /** Whether the events are in KPL-aggregated records of up to 50 KB, the KPL's own default. */
  aggregated: z.boolean(),
  /** What its readers speak. A writing that nobody reads would only take memory. */
  writings: z.array(z.enum(WRITINGS)).min(1).readonly(),
  /** Events arrive at this rate once the stream is opened; absent: all of them are there from the beginning. */
  live: z
    .object({
      perSecond: z.number(),
      /** Of one user, on shard 0, beside the others: to be looked for at the other end. */
      probe: z.object({ actorId: z.string(), perSecond: z.number() }),
    })
    .exactOptional(),
});
export type StreamSpec = z.infer<typeof streamSpec>;

/** Quotas of a shard: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html */
const CALLS_PER_SECOND = 5;
export const BYTES_PER_SECOND = 2_000_000;
const MAX_PAGE_BYTES = 10_000_000;
const AGGREGATE_BYTES = 50_000;

export interface Stats {
  readonly events: number;
  readonly records: number;
  readonly bytes: number;
  /** Bytes of the answers. */
  readonly answered: number;
  readonly calls: number;
  readonly throttled: number;
  readonly shards: number;
  readonly shardsAsked: number;
  readonly openedMs: number;
}

/** A stream that can be shut (readers find nothing yet) and opened, so that what readers do to start up is not measured. */
export class FakeStream {
  readonly spec: StreamSpec;
  readonly shards: readonly ShardData[];
  readonly #quotas: Quota[];
  #openedMs: number | undefined;
  #enforced = true;
  #calls = 0;
  #throttled = 0;
  #records = 0;
  #bytes = 0;
  #answered = 0;
  #asked = new Set<number>();

  constructor(spec: StreamSpec) {
    this.spec = spec;
    this.shards = Array.from({ length: spec.shards }, (_, n) => new ShardData(n, spec.writings));
    this.#quotas = this.shards.map(() => new Quota());
    // The arrivals of a live stream are known only when it is opened; then its texts are made.
    if (spec.live === undefined) fill(this.shards, spec);
  }

  /** Of a live stream this makes the events, which takes a while; the first of them arrives after that. */
  open(options: { readonly quotas: boolean }): void {
    this.#enforced = options.quotas;
    this.#openedMs = Date.now();
    if (this.spec.live !== undefined) this.#openedMs = fillLive(this.shards, this.spec, this.spec.live);
    this.#calls = this.#throttled = this.#records = this.#bytes = this.#answered = 0;
    for (const quota of this.#quotas) quota.reset();
  }

  shut(): void {
    this.#openedMs = undefined;
    this.#asked = new Set();
  }

  stats(): Stats {
    return {
      events: this.spec.events,
      records: this.#records,
      bytes: this.#bytes,
      answered: this.#answered,
      calls: this.#calls,
      throttled: this.#throttled,
      shards: this.shards.length,
      shardsAsked: this.#asked.size,
      openedMs: this.#openedMs ?? 0,
    };
  }

  /** @returns the answer in pieces; undefined: over the quota */
  page(shard: number, from: number, limit: number, writing: Writing): readonly Buffer[] | undefined {
    const data = this.shards[shard];
    const quota = this.#quotas[shard];
    if (data === undefined || quota === undefined) throw new RangeError(`There is no shard ${shard}.`);
    const now = Date.now();
    this.#calls++;
    this.#asked.add(shard);
    if (this.#enforced && !quota.admits(now)) {
      this.#throttled++;
      return undefined;
    }
    const opened = this.#openedMs !== undefined && now >= this.#openedMs;
    const until = !opened ? 0 : this.spec.live === undefined ? data.records : data.positionAt(now + 1);
    const to = from >= until ? from : data.pageEnd(from, limit, MAX_PAGE_BYTES, until);
    const bytes = data.bytes(from, to);
    quota.spend(bytes);
    this.#records += to - from;
    this.#bytes += bytes;
    // What the next record has waited; of a backlog there is no telling, so that it is merely not 0.
    const waiting = to < until ? data.arrivalMs(to) : undefined;
    const behind = waiting === undefined ? 0 : Math.max(1, this.spec.live === undefined ? 1000 : now - waiting);
    const records = data.written(writing, from, to);
    this.#answered += records.length;
    const members = { NextShardIterator: iteratorOf(this.spec.name, shard, to), MillisBehindLatest: behind };
    if (writing === 'json')
      return [Buffer.from('{"Records":['), records, Buffer.from(`],${JSON.stringify(members).slice(1)}`)];
    // Of unknown length, as Kinesis writes them.
    const others = Object.entries(members).flatMap((member) => member.map((item) => cbor.serialize(item)));
    return [MAP, cbor.serialize('Records'), ARRAY, records, BREAK, ...others, BREAK].map((piece) => Buffer.from(piece));
  }
}

const MAP = Uint8Array.of(0xbf);
const ARRAY = Uint8Array.of(0x9f);
const BREAK = Uint8Array.of(0xff);

export const iteratorOf = (stream: string, shard: number, position: number): string => `${stream}|${shard}|${position}`;

/** Two buckets of tokens that hold one second's worth. A page that is larger than what is left is given, and paid for afterwards, as Kinesis does. */
class Quota {
  #calls = CALLS_PER_SECOND;
  #bytes = BYTES_PER_SECOND;
  #atMs = 0;

  reset(): void {
    this.#calls = CALLS_PER_SECOND;
    this.#bytes = BYTES_PER_SECOND;
  }

  admits(nowMs: number): boolean {
    const seconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#calls = Math.min(CALLS_PER_SECOND, this.#calls + seconds * CALLS_PER_SECOND);
    this.#bytes = Math.min(BYTES_PER_SECOND, this.#bytes + seconds * BYTES_PER_SECOND);
    if (this.#calls < 1 || this.#bytes <= 0) return false;
    this.#calls--;
    return true;
  }

  spend(bytes: number): void {
    this.#bytes -= bytes;
  }
}

function fill(shards: readonly ShardData[], spec: StreamSpec): void {
  const waiting = shards.map((): { records: UserRecord[]; bytes: number } => ({ records: [], bytes: 0 }));
  const flush = (shard: number, arrivalMs: number): void => {
    const pending = waiting[shard];
    if (pending === undefined || pending.records.length === 0) return;
    shards[shard]?.add({ data: aggregate(pending.records).data, partitionKey: 'a', arrivalMs });
    waiting[shard] = { records: [], bytes: 0 };
  };
  let atMs = 0;
  const events =
    spec.higgsFile === undefined
      ? weekEvents(spec.events, spec.eventBytes, spec.context)
      : higgsEvents(spec.higgsFile, spec.events);
  for (const event of events) {
    atMs = event.occurredAtMs;
    const shard = shardOf(event.partitionKey, shards.length);
    if (!spec.aggregated) {
      shards[shard]?.add({ ...event, arrivalMs: atMs });
      continue;
    }
    const pending = waiting[shard];
    if (pending === undefined) continue;
    pending.records.push(event);
    pending.bytes += event.data.byteLength + 10;
    if (pending.bytes >= AGGREGATE_BYTES) flush(shard, atMs);
  }
  for (const { shard } of shards) flush(shard, atMs);
}

const shardOf = (partitionKey: string, shards: number): number =>
  Number((hashOfPartitionKey(partitionKey) * BigInt(shards)) >> 128n);

/** Time for making the events before the first of them arrives. */
const MAKE_MS_PER_EVENT = 0.04;

/** @returns when the first event arrives */
function fillLive(shards: readonly ShardData[], spec: StreamSpec, live: NonNullable<StreamSpec['live']>): number {
  const startMs = Math.ceil(Date.now() + 1_500 + spec.events * MAKE_MS_PER_EVENT);
  let n = 0;
  let probes = 0;
  for (const event of weekEvents(spec.events, spec.eventBytes)) {
    const arrivalMs = Math.floor(startMs + (n / live.perSecond) * 1000);
    for (; (probes / live.probe.perSecond) * 1000 < arrivalMs - startMs; probes++) {
      const at = Math.floor(startMs + (probes / live.probe.perSecond) * 1000);
      shards[0]?.add({ data: probeEvent(spec, live.probe.actorId, probes, at), partitionKey: '0', arrivalMs: at });
    }
    // The event of the week, happening now.
    const text = Buffer.from(event.data)
      .toString('latin1')
      .replace(/"occurredAt":"[^"]*"/, `"occurredAt":"${new Date(arrivalMs).toISOString()}"`);
    const data = Buffer.from(text, 'latin1');
    shards[shardOf(event.partitionKey, shards.length)]?.add({ data, partitionKey: event.partitionKey, arrivalMs });
    n++;
  }
  if (Date.now() >= startMs) throw new Error(`${n} events took longer to make than was allowed for.`);
  return startMs;
}

function probeEvent(spec: StreamSpec, actorId: string, n: number, occurredAtMs: number): Uint8Array {
  const fields = { eventId: `probe-${n}`, type: 'like', occurredAtMs, actorId, receiverId: '1', shareId: undefined };
  return padded(eventJson(fields), spec.eventBytes, n);
}
