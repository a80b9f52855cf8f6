import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { eventually } from './parts.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** `source` starts from TypeScript and needs no build; `built` is what users run, and starts in a third of the time. */
export type Program = 'source' | 'built';
const ARGUMENTS: Readonly<Record<Program, readonly string[]>> = {
  source: ['--import', 'tsx', path('../../backend/src/main.ts')],
  built: [path('../../backend/bin/userpulse.js')],
};

/** `userpulse ingest` as a process of its own. */
export class IngestProcess {
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcess;
  #log = '';
  #end: Exit | undefined;

  /** @param preload a module that is imported before the program */
  constructor(env: Record<string, string>, program: Program = 'source', preload?: string) {
    const before = preload === undefined ? [] : ['--import', pathToFileURL(preload).href];
    this.#child = spawn(process.execPath, [...before, ...ARGUMENTS[program], 'ingest'], {
      env: { ...env, NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    this.exit = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => {
        this.#end = { code, signal };
        resolve(this.#end);
      }),
    );
  }

  get log(): string {
    return this.#log;
  }

  /** undefined while it runs */
  get ended(): Exit | undefined {
    return this.#end;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resident memory in bytes; undefined where the system does not tell, or the process has ended. */
  residentBytes(): number | undefined {
    try {
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#child.pid ?? 0}/status`, 'utf8'))?.[1];
      return kib === undefined ? undefined : Number(kib) * 1024;
    } catch {
      return undefined;
    }
  }

  /** Waits until a line of the log holds a text. */
  async says(text: string, timeoutMs = 30_000): Promise<void> {
    await eventually(
      () => {
        if (this.#log.includes(text)) return true;
        if (this.#end !== undefined) throw new Error(`ingest ended:\n${this.#log}`);
        return false;
      },
      { what: `"${text}" in the log of ingest: ${this.#log.slice(-2000)}`, timeoutMs, intervalMs: 20 },
    );
  }

  async metrics(): Promise<string> {
    const url = /"url":"(http[^"]+)"/.exec(this.#log)?.[1];
    if (url === undefined) throw new Error('ingest does not listen yet.');
    return (await fetch(new URL('/metrics', url))).text();
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child.kill(signal);
  }

  /** SIGTERM, and the end that follows. */
  async stop(): Promise<Exit> {
    this.kill('SIGTERM');
    return this.exit;
  }
}
