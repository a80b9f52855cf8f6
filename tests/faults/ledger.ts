import { appendFileSync } from 'node:fs';

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

export const grouped = (n: number): string => n.toLocaleString('en-US');

/** A table in Markdown; so many columns from the left are text, the others are numbers. */
export function markdown(columns: readonly string[], rows: readonly (readonly string[])[], texts = 1): string {
  const widths = columns.map((column, n) => Math.max(column.length, ...rows.map((row) => row[n]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, n) => (n < texts ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, n) => (n < texts ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(columns), rule, ...rows.map(line)].join('\n');
}

/** One line that is written over on a terminal, and now and then a line of its own elsewhere. */
export class ProgressLine {
  #saidMs = 0;

  say(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    else if (Date.now() - this.#saidMs >= 15_000) {
      this.#saidMs = Date.now();
      process.stderr.write(`${text}\n`);
    }
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\n');
  }
}

/** Prints, and keeps a copy. */
export function report(file: string, text: string): void {
  console.log(text);
  appendFileSync(file, `${text}\n`);
}
