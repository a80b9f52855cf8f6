import { randomUUID } from 'node:crypto';
import { link, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';
import { UserpulseError, type ErrorCode } from '../errors.ts';
import { isCode } from './durable-file.ts';

/** Interval of the holder's heartbeat, and the silence after which it counts as gone, in ms. */
const HEARTBEAT_MS = 2_000;
const SILENT_MS = 15_000;

/** What a lock is for, as its errors say it. */
export interface LockWords {
  readonly code: ErrorCode;
  /** What is locked. */
  readonly what: string;
  /** Who holds such a lock: `ingest`. */
  readonly holder: string;
  /** What to do where another one holds it; a sentence. */
  readonly hint: string;
  /** What it means where another one has taken it over; sentences. */
  readonly lost: string;
}

const holderSchema = z.object({
  token: z.string(),
  pid: z.number().int(),
  host: z.string(),
  /** Start of the process in the kernel's ticks, where the system reports it: pids are reused, above all in containers. */
  started: z.string(),
});
type Holder = z.infer<typeof holderSchema>;

/**
 * A lock file with its holder. The lock of a holder that is gone is taken over: on the same host its pid tells, on another host (or in another
 * container) that it has not touched the file for 15 s. A holder that lost its lock that way (a machine that slept) finds out by
 * {@link FileLock.check} before its next write.
 */
export class FileLock {
  readonly #path: string;
  readonly #token: string;
  readonly #words: LockWords;
  #heartbeat: NodeJS.Timeout | undefined;

  private constructor(path: string, token: string, words: LockWords) {
    this.#path = path;
    this.#token = token;
    this.#words = words;
    this.#heartbeat = setInterval(() => {
      const now = new Date();
      // A missed heartbeat alone does no harm; check() decides before anything is written.
      utimes(path, now, now).catch(() => undefined);
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** @throws UserpulseError with the code of `words` where a living process holds it */
  static async acquire(path: string, words: LockWords): Promise<FileLock> {
    const me: Holder = { token: randomUUID(), pid: process.pid, host: hostname(), started: await startOf(process.pid) };
    const mine = `${path}.${me.token}`;
    await writeFile(mine, JSON.stringify(me), { flush: true });
    try {
      for (;;) {
        try {
          // Unlike rename, link fails where the name exists.
          await link(mine, path);
          return new FileLock(path, me.token, words);
        } catch (error) {
          if (!isCode(error, 'EEXIST')) throw error;
        }
        const holder = await read(path);
        if (holder === undefined) continue;
        if (await isAlive(holder, path)) {
          throw new UserpulseError(
            words.code,
            `${words.what} is in use by another ${words.holder}: process ${holder.pid} on host ${holder.host}.`,
            { hint: `${words.hint} If it is certain that the process is gone, delete ${path}.` },
          );
        }
        await removeStale(path, holder.token);
      }
    } finally {
      await unlink(mine);
    }
  }

  /** @throws UserpulseError with the code of its words where another process has taken the lock */
  async check(): Promise<void> {
    const found = await read(this.#path);
    if (found?.token === this.#token) return;
    const { code, what, holder, lost } = this.#words;
    throw new UserpulseError(
      code,
      found === undefined
        ? `The lock ${this.#path} was removed while this ${holder} was using it.`
        : `${what} has been taken over by process ${found.pid} on host ${found.host}, because this ${holder} did not respond for too long.`,
      { hint: lost },
    );
  }

  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    const holder = await read(this.#path);
    if (holder?.token === this.#token) await unlink(this.#path);
  }
}

async function read(path: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new UserpulseError('checkpoint_unusable', `${path} is not a lock file of Userpulse.`, {
      hint: 'If no ingest is running, delete it.',
      cause: error,
    });
  }
}

async function isAlive(holder: Holder, path: string): Promise<boolean> {
  if (holder.host === hostname()) {
    try {
      process.kill(holder.pid, 0);
    } catch (error) {
      if (isCode(error, 'ESRCH')) return false;
      // EPERM: it is alive and belongs to another user.
    }
    const started = await startOf(holder.pid);
    return started === '' || holder.started === '' || started === holder.started;
  }
  try {
    return Date.now() - (await stat(path)).mtimeMs < SILENT_MS;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * Two processes may find the same stale lock. Renaming decides: the second one renames nothing, or the first one's fresh lock, which it
 * sees by its token and puts back.
 */
async function removeStale(path: string, staleToken: string): Promise<void> {
  const aside = `${path}.stale-${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  try {
    const moved = await read(aside);
    if (moved !== undefined && moved.token !== staleToken) {
      try {
        await link(aside, path);
      } catch (error) {
        // A third one was faster; the owner of this lock finds out by its check.
        if (!isCode(error, 'EEXIST')) throw error;
      }
    }
  } finally {
    await unlink(aside);
  }
}

/** Field 22 of /proc/PID/stat (proc(5)); empty where the system has no /proc. */
async function startOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may contain anything; count from its end.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
