import type { Sent } from '../kinesis/sender.ts';
import { recordsIn } from '../kinesis/entry.ts';

export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const EVERY_MS = { terminal: 200, log: 5_000 } as const;

/** A line on how far the run is: redrawn in place on a terminal, else a new one every few seconds. */
export class ProgressLine {
  readonly #output: ProgressOutput;
  readonly #startMs: number;
  #drawnMs: number;
  #last = { ms: 0, records: 0 };
  #drawn = false;

  constructor(output: ProgressOutput, startMs: number) {
    this.#output = output;
    this.#startMs = startMs;
    this.#drawnMs = startMs;
    this.#last = { ms: startMs, records: 0 };
  }

  update(sent: Sent, nowMs: number): void {
    const terminal = this.#output.isTTY === true;
    if (nowMs - this.#drawnMs < (terminal ? EVERY_MS.terminal : EVERY_MS.log)) return;
    this.#drawnMs = nowMs;
    const records = recordsIn(sent.counts);
    const rate = ((records - this.#last.records) * 1000) / Math.max(1, nowMs - this.#last.ms);
    // The rate of the last seconds, not of the last blink.
    if (nowMs - this.#last.ms >= 2_000) this.#last = { ms: nowMs, records };
    const parts = [
      `${formatNumber(records)} records sent`,
      `${formatNumber(Math.round(rate))}/s`,
      `${Math.round((nowMs - this.#startMs) / 1000)} s`,
    ];
    if (sent.retried > 0) parts.push(`${formatNumber(sent.retried)} put again`);
    const line = parts.join(' · ');
    this.#output.write(terminal ? `\r\u001b[2K${line}` : `${line}\n`);
    this.#drawn = terminal;
  }

  /** Removes the redrawn line, so that what follows begins on a clean one. */
  clear(): void {
    if (this.#drawn) this.#output.write('\r\u001b[2K');
    this.#drawn = false;
  }
}

export const formatNumber = (value: number): string => value.toLocaleString('en-US');
