import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserpulseError } from '../errors.ts';
import { higgsEvent } from './higgs-event.ts';
import type { EventFields } from './event-json.ts';

/**
 * The events of a Higgs file in the order of the file; plain or gzip, as its first bytes tell.
 * @throws UserpulseError `input_unreadable` naming the file and, for a bad line, its number
 */
export async function* higgsFile(path: string, shiftMs: number, signal: AbortSignal): AsyncGenerator<EventFields> {
  const gzip = await isGzip(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  // The callback makes an error on either stream end both; the listener below notes it.
  const bytes = gzip ? pipeline(file, createGunzip(), () => undefined) : file;
  const lines = createInterface({ input: bytes, crlfDelay: Infinity });
  let failure: unknown;
  bytes.once('error', (error: Error) => {
    failure = error;
    lines.close();
  });
  let number = 0;
  try {
    for await (const line of lines) {
      if (signal.aborted) return;
      number++;
      if (line === '') continue;
      const event = higgsEvent(line, shiftMs);
      if (event === undefined) {
        throw new UserpulseError(
          'input_unreadable',
          `Line ${number} of ${path} is not "actor receiver unix_seconds RT|MT|RE": ${JSON.stringify(line.slice(0, 80))}.`,
          { hint: '--file expects the activity-time file of the Higgs Twitter dataset.' },
        );
      }
      yield event;
    }
    if (failure !== undefined) throw unreadable(path, failure);
    if (number === 0)
      throw new UserpulseError('input_unreadable', `${path} is empty.`, { hint: 'Choose another file for --file.' });
  } catch (error) {
    throw error instanceof UserpulseError ? error : unreadable(path, error);
  } finally {
    lines.close();
    file.destroy();
  }
}

/** Times of the earliest and the latest event, in ms. Reads the whole file. */
export async function timeSpan(
  path: string,
  signal: AbortSignal,
): Promise<{ readonly firstMs: number; readonly lastMs: number }> {
  let firstMs = Infinity;
  let lastMs = -Infinity;
  for await (const { occurredAtMs } of higgsFile(path, 0, signal)) {
    firstMs = Math.min(firstMs, occurredAtMs);
    lastMs = Math.max(lastMs, occurredAtMs);
  }
  return { firstMs, lastMs };
}

async function isGzip(path: string): Promise<boolean> {
  try {
    for await (const chunk of createReadStream(path, { end: 1 })) {
      return Buffer.isBuffer(chunk) && chunk[0] === 0x1f && chunk[1] === 0x8b;
    }
    return false;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): UserpulseError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const [what, hint] =
    code === 'ENOENT'
      ? ['does not exist', 'Check --file.']
      : code === 'EISDIR'
        ? ['is a folder', 'Choose a file in it for --file.']
        : code === 'EACCES' || code === 'EPERM'
          ? ['is not readable by this user', 'Change its permissions, or run as another user.']
          : [
              `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
              'The file may be incomplete. Download it again.',
            ];
  return new UserpulseError('input_unreadable', `${path} ${what}.`, { hint, cause });
}
