import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { z } from 'zod';

/** Where and from what the figures come; kept with each part's result. */
export const provenanceSchema = z.object({
  /** When `bench/run.ts` was started: parts with the same one come from one run. */
  run: z.string(),
  commit: z.string(),
  cpu: z.string(),
  cores: z.number(),
  memoryGiB: z.number(),
  kernel: z.string(),
  node: z.string(),
  go: z.string(),
});
export type Provenance = z.infer<typeof provenanceSchema>;

export function provenance(run: Date): Provenance {
  const changed = output('git', ['status', '--porcelain', '--untracked-files=no']) !== '';
  return {
    run: run.toISOString(),
    commit: `${output('git', ['rev-parse', '--short=10', 'HEAD'])}${changed ? ' with local changes' : ''}`,
    cpu: processor(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    node: process.version,
    go: output('go', ['env', 'GOVERSION']),
  };
}

function processor(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  // Node says 0 in some virtual machines.
  const mhz = /^cpu MHz\s*: ([\d.]+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  return mhz === undefined ? model : `${model} of ${(Number(mhz) / 1000).toFixed(1)} GHz`;
}

/** What a program prints; '' where it cannot be run. */
function output(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}
