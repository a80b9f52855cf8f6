import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserpulseError } from '../errors.ts';
import { higgsEvent } from './higgs.ts';
import type { EventFields } from './event-json.ts';

/**
 * The events of a Higgs file, plain or gzip (known by its first bytes, not by its name), in the order of the file.
 * @throws UserpulseError `input_unreadable` naming the file and, for a bad line, its number
 */
export async function* higgsFile(path: string, shiftMs: number, signal: AbortSignal): AsyncGenerator<EventFields> {
  const gzip = await isGzip(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  // The last callback sees to it that an error on either stream ends both; the reader below learns of it by its own error.
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
          { hint: '--file takes the activity-time file of the Higgs Twitter dataset.' },
        );
      }
      yield event;
    }
    if (failure !== undefined) throw unreadable(path, failure);
    if (number === 0)
      throw new UserpulseError('input_unreadable', `${path} is empty.`, { hint: 'Give --file another file.' });
  } catch (error) {
    throw error instanceof UserpulseError ? error : unreadable(path, error);
  } finally {
    lines.close();
    file.destroy();
  }
}

/** Times of the earliest and the latest event in ms: a pass of its own through the file, for those who must know them beforehand. */
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
      ? ['does not exist', 'Correct --file.']
      : code === 'EISDIR'
        ? ['is a folder', 'Give --file a file in it.']
        : code === 'EACCES' || code === 'EPERM'
          ? ['may not be read by this user', 'Change its permissions, or run as another user.']
          : [
              `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
              'Is the file whole? Fetch it again.',
            ];
  return new UserpulseError('input_unreadable', `${path} ${what}.`, { hint, cause });
}
