import { appendFileSync } from 'node:fs';
import { grouped } from '../../tools/text.ts';

/** What a run has injected and how long ingest took to recover, by kind. */
export class Ledger {
  readonly #recoveryMs = new Map<string, number>();

  /** @param ms from the end of the fault until everything that was on the stream by then is durable in both sinks */
  recovered(kind: string, ms: number): void {
    this.#recoveryMs.set(kind, Math.max(this.#recoveryMs.get(kind) ?? 0, ms));
  }

  rows(injected: ReadonlyMap<string, number>): string[][] {
    const kinds = [...new Set([...injected.keys(), ...this.#recoveryMs.keys()])].sort();
    return kinds.map((kind) => {
      const ms = this.#recoveryMs.get(kind);
      return [kind, grouped(injected.get(kind) ?? 0), ms === undefined ? '' : (ms / 1000).toFixed(1)];
    });
  }
}

/** Prints, and keeps a copy. */
export function report(file: string, text: string): void {
  console.log(text);
  appendFileSync(file, `${text}\n`);
}
