import { pathToFileURL } from 'node:url';
import { PROGRAMS, UserpulseProcess } from '../../tools/userpulse.ts';
import { eventually } from './parts.ts';

export type Program = keyof typeof PROGRAMS;

/** `userpulse ingest` as a process of its own. */
export class IngestProcess extends UserpulseProcess {
  /** @param preload a module that is imported before the program */
  constructor(env: Record<string, string>, program: Program = 'source', preload?: string) {
    const nodeArgs = preload === undefined ? [] : ['--import', pathToFileURL(preload).href];
    super(['ingest'], env, { program: PROGRAMS[program], nodeArgs });
  }

  /** Waits until a line of the log holds a text. */
  async says(text: string, timeoutMs = 30_000): Promise<void> {
    await eventually(
      () => {
        if (this.log.includes(text)) return true;
        if (this.ended !== undefined) throw new Error(`ingest ended:\n${this.log}`);
        return false;
      },
      { what: `"${text}" in the log of ingest: ${this.log.slice(-2000)}`, timeoutMs, intervalMs: 20 },
    );
  }

  async metrics(): Promise<string> {
    if (this.url === undefined) throw new Error('ingest does not listen yet.');
    return (await fetch(new URL('/metrics', this.url))).text();
  }
}
