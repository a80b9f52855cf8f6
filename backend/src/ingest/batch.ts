import type { StreamRecord } from '../event/decode.ts';
import type { BucketRole } from '../schema/buckets.ts';
import { LineBlock } from '../schema/line-block.ts';
import type { Point } from '../schema/points.ts';
import type { Relocation } from '../schema/offsets.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { NotedRelocation } from '../checkpoint/checkpoint.ts';
import type { Lane, Span } from './lane.ts';
import type { IngestMetrics } from './metrics.ts';
import type { EventItem, EventPlacer, PlaceObserver } from './place-events.ts';
import type { RejectGuard } from './reject-guard.ts';
import type { Ticket } from './resolved-prefix.ts';
import type { ArchiveItem } from './written-record.ts';

type LineItem = Extract<ArchiveItem, { kind: 'line' }>;

/** The record that is being added, and the event of it whose points are coming. */
interface Adding {
  readonly lane: Lane;
  readonly record: StreamRecord;
  readonly metrics: IngestMetrics;
  item: EventItem | undefined;
  line: LineItem | undefined;
}

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

/** As many as three batches have. */
const MAX_SPARE = 12;

/**
 * Records of any shards whose points go to InfluxDB together: one write per bucket. A record is never split over two batches.
 */
export class Batch implements PlaceObserver {
  readonly createdAtMs: number;
  readonly #maxLines: number;
  readonly #spare: LineBlock[];
  readonly #byRole = new Map<BucketRole, BucketLines>();
  readonly #spans = new Map<Lane, Ticket<Span>>();
  readonly #relocations = new Map<Lane, NotedRelocation[]>();
  #adding: Adding | undefined;
  #records = 0;
  #most = 0;
  #fromMs = Infinity;
  #toMs = -Infinity;
  #oldestArrivalMs = Infinity;

  /** @param spare blocks whose memory may be used again; those of this batch join them when it is written */
  constructor(createdAtMs: number, maxLines: number, spare: LineBlock[] = []) {
    this.createdAtMs = createdAtMs;
    this.#maxLines = maxLines;
    this.#spare = spare;
  }

  /** Whether one of its writes has reached the most lines, or it has many records without any. */
  isFull(): boolean {
    return this.#most >= this.#maxLines || this.#records >= this.#maxLines;
  }

  /** Per lane; to be durable before {@link write}. */
  get relocations(): ReadonlyMap<Lane, readonly NotedRelocation[]> {
    return this.#relocations;
  }

  get oldestArrivalMs(): number {
    return this.#oldestArrivalMs;
  }

  add(lane: Lane, record: StreamRecord, placer: EventPlacer, metrics: IngestMetrics, guard: RejectGuard): void {
    this.#records++;
    this.#oldestArrivalMs = Math.min(this.#oldestArrivalMs, record.approximateArrivalMs);
    const adding: Adding = { lane, record, metrics, item: undefined, line: undefined };
    this.#adding = adding;
    // Nearly always one: an array that is pushed to makes room for seventeen, and these live until the record is archived.
    let archived: [ArchiveItem, ...ArchiveItem[]] | undefined;
    const archive = (item: ArchiveItem): void => {
      if (archived === undefined) archived = [item];
      else archived.push(item);
    };
    const { items, outsideShard } = placer.place(record, lane.hashRange, this, (item) => {
      if (item.kind === 'rejection') {
        metrics.rejected.inc({ code: item.code });
        guard.rejected({ ...item, shardId: lane.shardId, sequenceNumber: record.sequenceNumber });
        archive(item);
      } else if (adding.line !== undefined && adding.item === item) archive(adding.line);
      else throw new Error('An event has no point.');
    });
    this.#adding = undefined;
    let ticket = this.#spans.get(lane);
    if (ticket === undefined) {
      ticket = lane.openSpan();
      this.#spans.set(lane, ticket);
    }
    ticket.value.records.push({
      sequenceNumber: record.sequenceNumber,
      partitionKey: record.partitionKey,
      arrivalMs: record.approximateArrivalMs,
      data: record.data,
      items: archived ?? [],
    });
    metrics.recordsRead.inc();
    metrics.bytesRead.inc(record.data.byteLength);
    const events = items.reduce((count, item) => count + (item.kind === 'event' ? 1 : 0), 0);
    if (events > 0) metrics.events.inc(events);
    guard.accepted(events);
    if (outsideShard > 0) metrics.outsideShard.inc(outsideShard);
  }

  /** {@link PlaceObserver}: the points of one event come one after the other. */
  point(item: EventItem, point: Point, offsetNs: number, collided: boolean): void {
    const adding = this.#current();
    if (adding.item !== item) {
      const { occurredAtMs } = item.event;
      adding.item = item;
      adding.line = { kind: 'line', subSequence: item.subSequence, occurredAtMs, line: item.line, refused: undefined };
      if (occurredAtMs < this.#fromMs) this.#fromMs = occurredAtMs;
      if (occurredAtMs > this.#toMs) this.#toMs = occurredAtMs;
    }
    if (adding.line === undefined) throw new Error('An event has no line.');
    let bucket = this.#byRole.get(point.role);
    if (bucket === undefined) {
      bucket = { lines: this.#spare.pop() ?? new LineBlock(), owners: [] };
      this.#byRole.set(point.role, bucket);
    }
    bucket.lines.pushPoint(point, offsetNs);
    this.#most = Math.max(this.#most, bucket.lines.length);
    bucket.owners.push(adding.line);
    if (collided) adding.metrics.pointCollisions.inc({ bucket: point.role });
  }

  relocation(relocation: Relocation): void {
    const { lane, record } = this.#current();
    const noted: NotedRelocation = { ...relocation, sequenceNumber: record.sequenceNumber };
    const relocations = this.#relocations.get(lane);
    if (relocations === undefined) this.#relocations.set(lane, [noted]);
    else relocations.push(noted);
  }

  eventIdConflict(): void {
    this.#current().metrics.eventIdConflicts.inc();
  }

  #current(): Adding {
    if (this.#adding === undefined) throw new Error('No record is being added.');
    return this.#adding;
  }

  /**
   * Writes all buckets side by side. Resolves when every point is durable, or refused for good and noted with its line.
   * @throws the signal's reason when aborted
   */
  async write(
    sink: PointSink,
    metrics: IngestMetrics,
    guard: RejectGuard,
    signal: AbortSignal,
  ): Promise<WrittenNotice> {
    await Promise.all(
      [...this.#byRole].map(async ([role, { lines, owners }]) => {
        const refusals = await sink.write(role, lines, signal);
        for (const { index, reason } of refusals) {
          const owner = owners[index];
          if (owner === undefined) throw new Error(`A refusal names line ${index} of ${owners.length}.`);
          if (owner.refused === undefined) {
            metrics.rejected.inc({ code: 'influx_refused' });
            guard.refused(`${role}: ${reason}`);
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

  /** After {@link write}: the records go on. */
  settle(): void {
    for (const { lines } of this.#byRole.values()) {
      lines.clear();
      if (this.#spare.length < MAX_SPARE) this.#spare.push(lines);
    }
    this.#byRole.clear();
    for (const [lane, ticket] of this.#spans) lane.closeSpan(ticket);
  }
}
