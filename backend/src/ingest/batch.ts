import type { NotedRelocation } from '../checkpoint/checkpoint.ts';
import {
  decodeRecord,
  type DecodedItem,
  type DecodeOptions,
  type DecodeSettings,
  type StreamRecord,
} from '../event/decode.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { BucketRole } from '../schema/buckets.ts';
import { rolesOf } from '../schema/points.ts';
import { identityOf } from '../schema/identity.ts';
import { LineBlock } from '../schema/line-block.ts';
import type { OffsetAllocator } from './allocate.ts';
import type { IngestMetrics } from './metrics.ts';
import type { ArchiveItem } from './segment.ts';
import type { Portion, Shard } from './shard.ts';

type EventItem = Extract<DecodedItem, { kind: 'event' }>;
type LineItem = Extract<ArchiveItem, { kind: 'line' }>;

interface BucketLines {
  readonly lines: LineBlock;
  /** The archive line that each point belongs to, by index. */
  readonly owners: LineItem[];
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
  readonly #spare: LineBlock[];
  readonly #byRole = new Map<BucketRole, BucketLines>();
  readonly #portions = new Map<Shard, Portion>();
  readonly #relocations = new Map<Shard, NotedRelocation[]>();
  /** Where each line comes from; made when InfluxDB refuses one. */
  #ofLine: ReadonlyMap<ArchiveItem, { readonly shard: Shard; readonly arrivalMs: number }> | undefined;
  #items = 0;
  #decompressedBytes = 0;
  #most = 0;
  #fromMs = Infinity;
  #toMs = -Infinity;
  #oldestArrivalMs = Infinity;

  /** @param spare blocks whose memory may be used again; those of this batch join them when it is written */
  constructor(createdAtMs: number, context: BatchContext, spare: LineBlock[]) {
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

  add(shard: Shard, record: StreamRecord): void {
    const { decoding, erase, metrics } = this.#context;
    const arrivalMs = record.approximateArrivalMs;
    this.#oldestArrivalMs = Math.min(this.#oldestArrivalMs, arrivalMs);
    const { items, outsideShard, decompressedBytes } = decodeRecord(record, {
      ...decoding,
      erase,
      hashRange: shard.hashRange,
    });
    this.#items += items.length;
    this.#decompressedBytes += decompressedBytes;
    // Nearly always one: an array that is pushed to makes room for seventeen, and these live until the record is archived.
    let archived: [ArchiveItem, ...ArchiveItem[]] | undefined;
    let events = 0;
    for (const item of items) {
      let kept: ArchiveItem;
      if (item.kind === 'event') {
        events++;
        kept = this.#addEvent(shard, record, item);
      } else {
        metrics.rejected.inc({ code: item.code });
        shard.rejects.rejected({ ...item, sequenceNumber: record.sequenceNumber }, arrivalMs);
        kept = item;
      }
      if (archived === undefined) archived = [kept];
      else archived.push(kept);
    }
    let portion = this.#portions.get(shard);
    if (portion === undefined) {
      portion = shard.beginPortion();
      this.#portions.set(shard, portion);
    }
    portion.value.push({
      sequenceNumber: record.sequenceNumber,
      partitionKey: record.partitionKey,
      arrivalMs,
      data: record.data,
      items: archived ?? [],
    });
    metrics.recordsRead.inc();
    metrics.bytesRead.inc(record.data.byteLength);
    if (events > 0) metrics.events.inc(events);
    shard.rejects.accepted(events, arrivalMs);
    if (outsideShard > 0) metrics.outsideShard.inc(outsideShard);
  }

  /** @returns the event's line for the archive */
  #addEvent(shard: Shard, record: StreamRecord, { event, line, data, subSequence }: EventItem): LineItem {
    const { allocator, metrics } = this.#context;
    const { occurredAtMs } = event;
    const owner: LineItem = { kind: 'line', subSequence, occurredAtMs, line, data, refused: undefined };
    if (occurredAtMs < this.#fromMs) this.#fromMs = occurredAtMs;
    if (occurredAtMs > this.#toMs) this.#toMs = occurredAtMs;
    const identity = identityOf(event);
    if (allocator.isConflict(identity)) metrics.eventIdConflicts.inc();
    const { writer } = allocator;
    for (const role of rolesOf(event)) {
      const bucket = this.#linesOf(role);
      writer.begin(bucket.lines, role, event);
      const { offsetNs, collided, relocation } = allocator.allocate(role, writer.seriesMs, identity);
      if (relocation !== undefined) this.#note(shard, { ...relocation, sequenceNumber: record.sequenceNumber });
      if (collided) metrics.pointCollisions.inc({ bucket: role });
      writer.end(bucket.lines, role, event, offsetNs);
      bucket.owners.push(owner);
      if (bucket.lines.length > this.#most) this.#most = bucket.lines.length;
    }
    return owner;
  }

  #linesOf(role: BucketRole): BucketLines {
    let bucket = this.#byRole.get(role);
    if (bucket === undefined) {
      bucket = { lines: this.#spare.pop() ?? new LineBlock(), owners: [] };
      this.#byRole.set(role, bucket);
    }
    return bucket;
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
    await Promise.all(
      [...this.#byRole].map(async ([role, { lines, owners }]) => {
        const refusals = await sink.write(role, lines, signal);
        for (const { index, reason } of refusals) {
          const owner = owners[index];
          if (owner === undefined) throw new Error(`A refusal names line ${index} of ${owners.length}.`);
          if (owner.refused === undefined) {
            metrics.rejected.inc({ code: 'influx_refused' });
            this.#noteRefusal(owner, `${role}: ${reason}`);
          }
          // Of several refused points of an event the reason of the first bucket by name stays: whichever answers first must not matter.
          const text = `${role}: ${reason}`;
          if (owner.refused === undefined || text < owner.refused) owner.refused = text;
        }
        metrics.pointsWritten.inc({ bucket: role }, lines.length - refusals.length);
      }),
    );
    return { roles: new Set(this.#byRole.keys()), fromMs: this.#fromMs, toMs: this.#toMs };
  }

  #noteRefusal(owner: LineItem, reason: string): void {
    this.#ofLine ??= new Map(
      [...this.#portions].flatMap(([shard, { value }]) =>
        value.flatMap(({ arrivalMs, items }) => items.map((item) => [item, { shard, arrivalMs }] as const)),
      ),
    );
    const of = this.#ofLine.get(owner);
    if (of === undefined) throw new Error('A line is of no record of its batch.');
    of.shard.rejects.refused(reason, of.arrivalMs);
  }

  /** After {@link write}: the records go on to the archive. */
  handOver(): void {
    for (const { lines } of this.#byRole.values()) {
      lines.clear();
      if (this.#spare.length < MAX_SPARE) this.#spare.push(lines);
    }
    this.#byRole.clear();
    for (const [shard, portion] of this.#portions) shard.written(portion);
  }
}
