import { readFileSync } from 'node:fs';

/** What a process has used so far, from /proc: Linux only. */
export interface Usage {
  /** User and system time, all threads. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
}

/** The kernel counts in ticks of 10 ms (sysconf(_SC_CLK_TCK)) on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

export function usageOf(pid: number | undefined): Usage {
  if (pid === undefined) throw new Error('The process whose use is asked for does not run.');
  // The name in parentheses may hold anything; what follows the last one is numbers. Fields 14 and 15 are utime and stime.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssMiB: Number(rss) / 1024,
  };
}
