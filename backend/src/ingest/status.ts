import type { Readiness } from '../check.ts';

export interface ShardStatus {
  readonly shardId: string;
  /** A ShardState. */
  readonly state: string;
  /** Since when (ms) and why it is held; undefined where it is not. */
  readonly hold: { readonly sinceMs: number; readonly reason: string } | undefined;
  readonly millisBehindLatest: number;
  /** ms; 0 = not read yet */
  readonly lastReadMs: number;
  readonly checkpoint: string | null;
  readonly unwrittenRecords: number;
  readonly unarchivedRecords: number;
  /** Arrival times (ms) up to which everything is durable. */
  readonly influxWatermarkMs: number;
  readonly archiveWatermarkMs: number;
}

/**
 * ```
 *   opening ──▶ warming ──▶ running ──stop, or a failure──▶ draining ──▶ stopped
 *      └───────────┴── stop, or a failure ─────────────────────▲
 * ```
 */
export type IngestMode = 'opening' | 'warming' | 'running' | 'draining' | 'stopped';

export interface IngestStatus {
  readonly mode: IngestMode;
  /** Since when (ms) the stream cannot be read. */
  readonly streamTroubleSinceMs: number | undefined;
  /** Since when (ms) something cannot be written; what is well is left out. */
  readonly sinkTroubles: readonly SinkTrouble[];
  readonly inflightBytes: number;
  readonly shards: readonly ShardStatus[];
}

export interface SinkTrouble {
  readonly sink: 'influxdb' | 'archive' | 'checkpoint';
  readonly sinceMs: number;
}

/**
 * How long a sink may fail before ingest counts as not ready, in ms. Ingest rides out shorter outages, and a restart of a sink should not take the
 * process out of its load balancer.
 */
const SINK_FAILING_MS = 60_000;

const SINK_CODES = {
  influxdb: 'influx_unavailable',
  archive: 'archive_unreachable',
  checkpoint: 'checkpoint_unusable',
} as const;

/** Of a process that listens already. */
export const NOT_BEGUN: Readiness = { ready: false, code: 'aborted', message: 'Ingest has not begun yet.' };

/** Ready: every shard that may be read has been read at least once, the stream answers, and no sink has failed for long. */
export function ingestReadiness(
  { mode, streamTroubleSinceMs, sinkTroubles, shards }: Omit<IngestStatus, 'inflightBytes'>,
  nowMs: number,
): Readiness {
  switch (mode) {
    case 'opening':
    case 'warming':
    case 'draining':
    case 'stopped':
      return { ready: false, code: 'aborted', message: `Ingest is not running: it is ${mode}.` };
    case 'running':
      break;
    default:
      return mode satisfies never;
  }
  if (streamTroubleSinceMs !== undefined) {
    return {
      ready: false,
      code: 'stream_unreachable',
      message: `The stream cannot be read since ${new Date(streamTroubleSinceMs).toISOString()}; the log says why.`,
    };
  }
  const failing = sinkTroubles.find(({ sinceMs }) => nowMs - sinceMs >= SINK_FAILING_MS);
  if (failing !== undefined) {
    return {
      ready: false,
      code: SINK_CODES[failing.sink],
      message: `Nothing can be written to the sink "${failing.sink}" since ${new Date(failing.sinceMs).toISOString()}; the log says why.`,
    };
  }
  const unread = shards.filter(({ state, lastReadMs }) => state === 'reading' && lastReadMs === 0);
  if (unread.length > 0) {
    return { ready: false, code: 'aborted', message: `${unread.length} shards have not been read yet.` };
  }
  return { ready: true };
}
