import { BUCKET_ROLES } from '../../../contract/roles.ts';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { RejectionCode } from '../event/event.ts';
import type { ShardStatus } from './status.ts';

/** Every code once; the type says when one is missing. */
const REJECTION_CODES = Object.keys({
  record_empty: 0,
  not_utf8: 0,
  not_json: 0,
  not_an_object: 0,
  not_i_json: 0,
  decompress_failed: 0,
  too_many_events: 0,
  event_id_invalid: 0,
  type_invalid: 0,
  occurred_at_invalid: 0,
  occurred_at_too_early: 0,
  occurred_at_ahead: 0,
  actor_id_invalid: 0,
  receiver_id_invalid: 0,
  share_id_invalid: 0,
  target_missing: 0,
  kpl_md5_mismatch: 0,
  kpl_frame_broken: 0,
  kpl_key_broken: 0,
  influx_refused: 0,
} satisfies Record<RejectionCode, 0>);

/** What gauges are read from at each scrape. */
export interface LiveView {
  readonly inflightBytes: number;
  readonly shards: readonly ShardStatus[];
  /** Shards that wait for their parents. */
  readonly waiting: number;
  /** Points that are known to lie beside the offset of their event id. */
  readonly relocations: number;
  readonly nowMs: number;
}

export type IngestMetrics = ReturnType<typeof createIngestMetrics>;

/**
 * What ingest and its sinks count; made before either. Nothing in it names a user, an event or a secret. What can only be read from a running
 * ingest is a gauge, which {@link registerGauges} adds.
 */
export function createIngestMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <const L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const metrics = {
    registry,
    recordsRead: counter('userpulse_records_read_total', 'Kinesis records read for the first time by this process'),
    bytesRead: counter('userpulse_bytes_read_total', 'Bytes of data in those records'),
    events: counter('userpulse_events_total', 'Valid events decoded, repeated ones included'),
    rejected: counter(
      'userpulse_rejected_total',
      'Records and sub-records that are not valid events: they become dead letters unless their shard is held',
      ['code'] as const,
    ),
    pointCollisions: counter(
      'userpulse_point_collisions_total',
      'Points that found their nanosecond taken by another event and were relocated',
      ['bucket'] as const,
    ),
    eventIdConflicts: counter(
      'userpulse_event_id_conflicts_total',
      'Events whose id was seen before with other content: a producer breaks the contract',
    ),
    outsideShard: counter(
      'userpulse_outside_shard_total',
      'Sub-records of KPL records that hash outside the shard they came from; kept',
    ),
    pointsWritten: counter('userpulse_points_written_total', 'Points that InfluxDB has acknowledged', [
      'bucket',
    ] as const),
    pointsExpired: counter(
      'userpulse_points_expired_total',
      "Points older than their bucket's retention, which InfluxDB did not keep; the events are archived",
      ['bucket'] as const,
    ),
    retries: counter('userpulse_retries_total', 'Failed attempts that were or will be repeated', [
      'target',
      'reason',
    ] as const),
    polledInstead: new Gauge({
      name: 'userpulse_shards_polled_instead',
      help: 'Shards that fan-out polls because their subscription is in use',
      registers,
    }),
    archiveObjects: counter('userpulse_archive_objects_total', 'Archive objects written', ['kind'] as const),
    archiveLines: counter('userpulse_archive_lines_total', 'Lines in them', ['kind'] as const),
    archiveBytes: counter('userpulse_archive_bytes_total', 'Their compressed bytes', ['kind'] as const),
    trimmed: counter(
      'userpulse_checkpoint_trimmed_total',
      'Times a checkpoint was older than the oldest record of its shard: records may have been lost',
    ),
    writeSeconds: new Histogram({
      name: 'userpulse_influx_write_duration_seconds',
      help: 'Time from sending a batch to the answer of InfluxDB, whatever the answer',
      labelNames: ['bucket'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    visibleSeconds: new Histogram({
      name: 'userpulse_arrival_to_written_seconds',
      help: 'Time from the arrival of a record at Kinesis to the acknowledgement of its points, oldest record of each batch',
      buckets: [0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 60, 600],
      registers,
    }),
  };
  // A counter that appears with its first failure is missed by rate(): those that alerts use exist from the start.
  for (const code of REJECTION_CODES) metrics.rejected.inc({ code }, 0);
  for (const bucket of BUCKET_ROLES) metrics.pointCollisions.inc({ bucket }, 0);
  return metrics;
}

/** Adds the gauges of a running ingest to the registry of its metrics. */
export function registerGauges({ registry }: IngestMetrics, live: () => LiveView): void {
  const registers = [registry];
  const unfinished = (): ShardStatus[] => live().shards.filter(({ state }) => state !== 'done');
  const ageSeconds = (watermarksMs: readonly number[]): number =>
    watermarksMs.length === 0 ? 0 : Math.max(0, live().nowMs - Math.min(...watermarksMs)) / 1000;
  new Gauge({
    name: 'userpulse_inflight_bytes',
    help: 'Bytes held in memory between the stream and the sinks; reading stops at USERPULSE_BUFFER_MAX_BYTES',
    registers,
    collect() {
      this.set(live().inflightBytes);
    },
  });
  new Gauge({
    name: 'userpulse_millis_behind_latest',
    help: 'How far (ms) reading of a shard is behind its newest record, as Kinesis says',
    labelNames: ['shard'],
    registers,
    collect() {
      this.reset();
      for (const { shardId, millisBehindLatest } of unfinished()) this.set({ shard: shardId }, millisBehindLatest);
    },
  });
  new Gauge({
    name: 'userpulse_durable_watermark_age_seconds',
    help: 'Age of the arrival time up to which every record of every shard is durable in a sink',
    labelNames: ['sink'],
    registers,
    collect() {
      const shards = unfinished();
      this.set({ sink: 'influxdb' }, ageSeconds(shards.map((shard) => shard.influxWatermarkMs)));
      this.set({ sink: 'archive' }, ageSeconds(shards.map((shard) => shard.archiveWatermarkMs)));
    },
  });
  new Gauge({
    name: 'userpulse_shards',
    help: 'Shards by what is being done with them',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      const { shards, waiting } = live();
      this.set({ state: 'waiting' }, waiting);
      this.set({ state: 'held' }, 0);
      for (const { state } of shards) this.inc({ state });
    },
  });
  new Gauge({
    name: 'userpulse_point_moves',
    help: 'Relocated points that are remembered, so that a redo gives them the same offsets',
    registers,
    collect() {
      this.set(live().relocations);
    },
  });
}
