import { byRole } from '../../../contract/roles.ts';
import type { NotedRelocation } from '../checkpoint/checkpoint.ts';
import { decodeRecord, type DecodeOptions, type DecodeSettings } from '../event/decode.ts';
import type { InteractionEvent } from '../event/event.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { Ints } from '../memory/ints.ts';
import { BUCKET_ROLES, ofRole, type BucketRole } from '../schema/buckets.ts';
import { rolesOf } from '../schema/points.ts';
import { identityOf } from '../schema/identity.ts';
import { LineBlock } from '../schema/line-block.ts';
import type { OffsetAllocator } from './allocate.ts';
import type { IngestMetrics } from './metrics.ts';
import type { Portion, Shard } from './shard.ts';
import type { WrittenRecords } from './written-records.ts';

/** What a batch writes into one bucket. */
export class BucketLines {
  readonly lines = new LineBlock();
  /** The item of the batch that each line belongs to, by index. */
  readonly owners = new Ints();

  /** Without lines, but with its memory: to be filled again. */
  clear(): void {
    this.lines.clear();
    this.owners.clear();
  }
}

/** Consecutive items of a batch that are of the same shard. */
interface Turn {
  readonly shard: Shard;
  readonly written: WrittenRecords;
  readonly decoding: DecodeOptions;
  /** The first of them, as the batch numbers items, and as `written` does. */
  readonly inBatch: number;
  readonly inWritten: number;
}

/** What has just become visible in InfluxDB. */
export interface WrittenNotice {
  readonly roles: ReadonlySet<BucketRole>;
  /** Times of the events in it, both included, in ms. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What all batches share. */
export interface BatchContext {
  readonly sink: PointSink;
  readonly allocator: OffsetAllocator;
  readonly metrics: IngestMetrics;
  readonly decoding: DecodeSettings;
  readonly erase: DecodeOptions['erase'];
  /** Most lines of one write. A record whose events are more than that is still written whole. */
  readonly maxLines: number;
}

/**
 * Of one batch. The byte budget counts records as they were received; beyond it, five batches and a record in each may hold what was
 * decompressed.
 */
const MAX_DECOMPRESSED_BYTES = 4 * 1024 * 1024;

/** As many as three batches have. */
const MAX_SPARE = 12;

/**
 * Records of any shards whose points go to InfluxDB together: one write per bucket. A record is never split over two batches.
 */
export class Batch {
  readonly createdAtMs: number;
  readonly #context: BatchContext;
  readonly #spare: BucketLines[];
  readonly #byRole: Record<BucketRole, BucketLines | undefined> = byRole(() => undefined);
  readonly #portions = new Map<Shard, Portion>();
  readonly #relocations = new Map<Shard, NotedRelocation[]>();
  readonly #turns: Turn[] = [];
  #items = 0;
  #uncounted = { records: 0, bytes: 0, events: 0 };
  #decompressedBytes = 0;
  #most = 0;
  #fromMs = Infinity;
  #toMs = -Infinity;
  #oldestArrivalMs = Infinity;

  /** @param spare lines whose memory may be used again; those of this batch join them when it is written */
  constructor(createdAtMs: number, context: BatchContext, spare: BucketLines[]) {
    this.createdAtMs = createdAtMs;
    this.#context = context;
    this.#spare = spare;
  }

  /** Whether one of its writes has reached the most lines, or it has as many items without lines, or much that was compressed before. */
  isFull(): boolean {
    const { maxLines } = this.#context;
    return this.#most >= maxLines || this.#items >= maxLines || this.#decompressedBytes >= MAX_DECOMPRESSED_BYTES;
  }

  /** Per shard; to be durable before {@link write}. */
  get relocations(): ReadonlyMap<Shard, readonly NotedRelocation[]> {
    return this.#relocations;
  }

  get oldestArrivalMs(): number {
    return this.#oldestArrivalMs;
  }

  /** Adds the next record of a shard that has one in its queue. */
  add(shard: Shard): void {
    const { metrics } = this.#context;
    let portion = this.#portions.get(shard);
    if (portion === undefined) {
      portion = shard.beginPortion();
      this.#portions.set(shard, portion);
    }
    shard.take(portion);
    const written = portion.value;
    const at = written.length - 1;
    let turn = this.#turns.at(-1);
    if (turn?.written !== written) {
      const { decoding, erase } = this.#context;
      turn = {
        shard,
        written,
        decoding: { ...decoding, erase, hashRange: shard.hashRange },
        inBatch: this.#items,
        inWritten: written.items,
      };
      this.#turns.push(turn);
    }
    const data = written.data(at);
    const approximateArrivalMs = written.arrivalMs(at);
    if (approximateArrivalMs < this.#oldestArrivalMs) this.#oldestArrivalMs = approximateArrivalMs;
    const { items, outsideShard, decompressedBytes } = decodeRecord({ data, approximateArrivalMs }, turn.decoding);
    this.#decompressedBytes += decompressedBytes;
    let events = 0;
    for (const item of items) {
      if (item.kind === 'event') {
        events++;
        this.#addPoints(shard, written, item.event);
      } else {
        metrics.rejected.inc({ code: item.code });
        shard.rejects.rejected({ ...item, sequenceNumber: written.sequenceNumber(at) }, approximateArrivalMs);
      }
      written.addItem(item, data);
      this.#items++;
    }
    this.#uncounted.records++;
    this.#uncounted.bytes += data.byteLength;
    this.#uncounted.events += events;
    shard.rejects.accepted(events, approximateArrivalMs);
    if (outsideShard > 0) metrics.outsideShard.inc(outsideShard);
  }

  /** Tells the metrics of what was added since the last time. A counter is cheap, and not as cheap as three of them for every record. */
  count(): void {
    const { metrics } = this.#context;
    const { records, bytes, events } = this.#uncounted;
    if (records === 0) return;
    metrics.recordsRead.inc(records);
    metrics.bytesRead.inc(bytes);
    if (events > 0) metrics.events.inc(events);
    this.#uncounted = { records: 0, bytes: 0, events: 0 };
  }

  /** The points of the item that comes next. */
  #addPoints(shard: Shard, written: WrittenRecords, event: InteractionEvent): void {
    const { allocator, metrics } = this.#context;
    const { occurredAtMs } = event;
    if (occurredAtMs < this.#fromMs) this.#fromMs = occurredAtMs;
    if (occurredAtMs > this.#toMs) this.#toMs = occurredAtMs;
    const identity = identityOf(event);
    if (allocator.isConflict(identity)) metrics.eventIdConflicts.inc();
    const { writer } = allocator;
    const roles = rolesOf(event);
    // Step by step for all of them: each look into the table of offsets waits for memory, and only side by side do they wait together.
    for (const role of roles) writer.begin(this.#linesOf(role).lines, role, event);
    const points = roles.map((role) => allocator.allocate(role, writer.seriesMs(role), identity));
    for (const { role, offsetNs, collided, relocation } of points) {
      const bucket = this.#linesOf(role);
      if (relocation !== undefined) {
        this.#note(shard, { ...relocation, sequenceNumber: written.sequenceNumber(written.length - 1) });
      }
      if (collided) metrics.pointCollisions.inc({ bucket: role });
      writer.end(bucket.lines, role, event, offsetNs);
      bucket.owners.push(this.#items);
      if (bucket.lines.length > this.#most) this.#most = bucket.lines.length;
    }
  }

  #linesOf(role: BucketRole): BucketLines {
    return ofRole(this.#byRole, role) ?? (this.#byRole[role] = this.#spare.pop() ?? new BucketLines());
  }

  /** The buckets that anything goes into. */
  #buckets(): { readonly role: BucketRole; readonly bucket: BucketLines }[] {
    return BUCKET_ROLES.flatMap((role) => {
      const bucket = this.#byRole[role];
      return bucket === undefined ? [] : [{ role, bucket }];
    });
  }

  #note(shard: Shard, relocation: NotedRelocation): void {
    const relocations = this.#relocations.get(shard);
    if (relocations === undefined) this.#relocations.set(shard, [relocation]);
    else relocations.push(relocation);
  }

  /**
   * Writes all buckets side by side. Resolves when every point is durable, or refused for good and noted with its line.
   * @throws the signal's reason when aborted
   */
  async write(signal: AbortSignal): Promise<WrittenNotice> {
    const { sink, metrics } = this.#context;
    const buckets = this.#buckets();
    await Promise.all(
      buckets.map(async ({ role, bucket: { lines, owners } }) => {
        const refusals = await sink.write(role, lines, signal);
        for (const { index, reason } of refusals) {
          const owner = owners.at(index);
          if (owner === undefined) throw new Error(`A refusal names line ${index} of ${owners.length}.`);
          this.#refuse(owner, `${role}: ${reason}`);
        }
        metrics.pointsWritten.inc({ bucket: role }, lines.length - refusals.length);
      }),
    );
    return { roles: new Set(buckets.map(({ role }) => role)), fromMs: this.#fromMs, toMs: this.#toMs };
  }

  #refuse(number: number, reason: string): void {
    const turn = this.#turns.findLast(({ inBatch }) => inBatch <= number);
    if (turn === undefined) throw new Error(`Item ${number} is of no record of its batch.`);
    const { shard, written } = turn;
    const item = turn.inWritten + number - turn.inBatch;
    const known = written.refusal(item);
    if (known === undefined) {
      this.#context.metrics.rejected.inc({ code: 'influx_refused' });
      shard.rejects.refused(reason, written.arrivalMs(written.recordOf(item)));
    }
    // Of several refused points of an event the reason of the first bucket by name stays: whichever answers first must not matter.
    if (known === undefined || reason < known) written.refuse(item, reason);
  }

  /** After {@link write}: the records go on to the archive. */
  handOver(): void {
    for (const { role, bucket } of this.#buckets()) {
      this.#byRole[role] = undefined;
      bucket.clear();
      if (this.#spare.length < MAX_SPARE) this.#spare.push(bucket);
    }
    for (const [shard, portion] of this.#portions) shard.written(portion);
  }
}
