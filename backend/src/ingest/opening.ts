import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import type { StoredCheckpoints } from '../checkpoint/checkpoint-store.ts';
import type { StartPosition } from '../checkpoint/checkpoint.ts';
import { saveDurably, type SaveContext } from '../checkpoint/checkpoint-cell.ts';
import type { StreamCalls } from './stream-calls.ts';

/**
 * Takes the checkpoint, and makes sure that it belongs to this very stream.
 * @returns what is stored, and where shards without a checkpoint begin: decided at the first start, and the same ever after
 * @throws UserpulseError checkpoint_locked, checkpoint_unusable, stream_not_found
 */
export async function openCheckpoints(options: {
  readonly saves: SaveContext;
  readonly calls: StreamCalls;
  readonly start: StartPosition | { readonly kind: 'latest' };
  readonly logger: Logger;
}): Promise<{ readonly stored: StoredCheckpoints; readonly start: StartPosition }> {
  const { saves, calls, logger } = options;
  const { store: checkpoints, clock } = saves;
  const { stream } = calls.source;
  const stored = await checkpoints.open(stream);
  const { createdAtMs } = await calls.call(() => calls.source.describe(calls.signal));
  const known = stored.stream;
  if (known === undefined) {
    const start: StartPosition = options.start.kind === 'latest' ? { kind: 'time', ms: clock.now() } : options.start;
    await saveDurably(saves, () => checkpoints.saveStream({ stream, createdAtMs, start }));
    logger.info({ stream, start }, 'First start on this checkpoint.');
    return { stored, start };
  }
  if (known.createdAtMs !== createdAtMs) {
    throw new UserpulseError(
      'checkpoint_unusable',
      `The checkpoint ${checkpoints.url} (USERPULSE_CHECKPOINT) belongs to a stream "${stream}" that was created at ${new Date(known.createdAtMs).toISOString()}; the one there now was created at ${new Date(createdAtMs).toISOString()}.`,
      {
        hint: 'The stream was deleted and made again: give this ingest a new checkpoint folder, and an archive of its own.',
      },
    );
  }
  logger.info({ stream, shards: stored.shards.size }, 'Going on from the checkpoint.');
  return { stored, start: known.start };
}
