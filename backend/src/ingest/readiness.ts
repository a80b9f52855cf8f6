import type { Readiness } from '../check.ts';
import type { IngestStatus } from './ingest.ts';

/** Of a process that listens already. */
export const NOT_BEGUN: Readiness = { ready: false, code: 'aborted', message: 'Ingest has not begun yet.' };

/** Ready: every shard that may be read has been read at least once, and the stream answers. */
export function ingestReadiness(status: IngestStatus): Readiness {
  if (status.mode !== 'running') {
    return { ready: false, code: 'aborted', message: `Ingest is not running: it is ${status.mode}.` };
  }
  if (status.streamTroubleSinceMs !== undefined) {
    return {
      ready: false,
      code: 'stream_unreachable',
      message: `The stream cannot be read since ${new Date(status.streamTroubleSinceMs).toISOString()}; the log says why.`,
    };
  }
  const unread = status.shards.filter((shard) => shard.state === 'reading' && shard.lastReadMs === 0);
  if (unread.length > 0) {
    return { ready: false, code: 'aborted', message: `${unread.length} shards have not been read yet.` };
  }
  return { ready: true };
}
