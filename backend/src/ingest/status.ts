import type { Readiness } from '../check.ts';

export interface ShardStatus {
  readonly shardId: string;
  /** A ShardState. */
  readonly state: string;
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
  readonly inflightBytes: number;
  readonly shards: readonly ShardStatus[];
}

/** Of a process that listens already. */
export const NOT_BEGUN: Readiness = { ready: false, code: 'aborted', message: 'Ingest has not begun yet.' };

/** Ready: every shard that may be read has been read at least once, and the stream answers. */
export function ingestReadiness({ mode, streamTroubleSinceMs, shards }: IngestStatus): Readiness {
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
  const unread = shards.filter(({ state, lastReadMs }) => state === 'reading' && lastReadMs === 0);
  if (unread.length > 0) {
    return { ready: false, code: 'aborted', message: `${unread.length} shards have not been read yet.` };
  }
  return { ready: true };
}
