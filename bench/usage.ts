import { readdirSync, readFileSync } from 'node:fs';

/** What processes use, from /proc: Linux only. */

/** Linux counts CPU time of a process in ticks of a hundredth of a second: USER_HZ is 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Fields of /proc/PID/stat from the third on; the second may hold spaces. */
function stat(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

const seconds = (fields: readonly string[], from: number): number =>
  (Number(fields[from]) + Number(fields[from + 1])) / TICKS_PER_SECOND;

/** CPU seconds (user + system) of a running process, all its threads. */
export const cpuSeconds = (pid: number): number => seconds(stat(`/proc/${pid}/stat`), 11);

/** CPU seconds of the children of a process that have ended and been waited for. */
export const cpuSecondsOfEndedChildren = (pid: number): number => seconds(stat(`/proc/${pid}/stat`), 13);

export const parentOf = (pid: number): number => Number(stat(`/proc/${pid}/stat`)[1]);

/** Threads that V8 and Node make before anything else (garbage collection, compilation, signals) come right after the first one, libuv's pool last. */
const ENGINE_THREADS = 6;

/** CPU seconds by kind of thread: JavaScript, the engine's helpers, the thread pool (compression, files, names). */
export interface ThreadSeconds {
  readonly main: number;
  readonly engine: number;
  readonly pool: number;
}

export function cpuSecondsByThread(pid: number): ThreadSeconds {
  const sums = { main: 0, engine: 0, pool: 0 };
  // Ids ascend in the order in which threads were made.
  const threads = readdirSync(`/proc/${pid}/task`).sort((a, b) => Number(a) - Number(b));
  for (const [index, thread] of threads.entries()) {
    const kind = index === 0 ? 'main' : index <= ENGINE_THREADS ? 'engine' : 'pool';
    sums[kind] += seconds(stat(`/proc/${pid}/task/${thread}/stat`), 11);
  }
  return sums;
}

/** Resident memory in bytes: now (`VmRSS`), or the most there has been (`VmHWM`). */
const residentBytes = (pid: number, which: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${which}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

/** The most memory that a running process has had resident, in MB (10^6 bytes). */
export const peakRssMegabytes = (pid: number): number => residentBytes(pid, 'VmHWM') / 1e6;

/** What a process has used so far. */
export interface Usage {
  /** User and system time, all threads. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

export function usageOf(pid: number | undefined): Usage {
  if (pid === undefined) throw new Error('The process whose use is asked for does not run.');
  return { cpuSeconds: cpuSeconds(pid), rssMiB: residentBytes(pid, 'VmRSS') / 2 ** 20 };
}
