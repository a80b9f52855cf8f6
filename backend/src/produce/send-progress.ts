import { formatNumber, roughDuration } from '../format.ts';
import { recordsIn } from '../kinesis/entry.ts';
import type { Sent } from '../kinesis/sender.ts';
import type { Progress } from '../progress.ts';

/** The rate shown is measured over this time, in ms: that of a moment would only flicker. */
const RATE_OVER_MS = 1_000;

/** Shows how much has been sent, and how fast. */
export class SendProgress {
  readonly #progress: Progress;
  readonly #startMs: number;
  #rate = 0;
  #since: { readonly ms: number; readonly records: number };

  constructor(progress: Progress, startMs: number) {
    this.#progress = progress;
    this.#startMs = startMs;
    this.#since = { ms: startMs, records: 0 };
  }

  update(sent: Sent, nowMs: number): void {
    const records = recordsIn(sent.counts);
    const overMs = nowMs - this.#since.ms;
    if (overMs >= RATE_OVER_MS) {
      this.#rate = Math.round(((records - this.#since.records) * 1000) / overMs);
      this.#since = { ms: nowMs, records };
    }
    const parts = [
      `${formatNumber(records)} records sent`,
      `${formatNumber(this.#rate)}/s`,
      roughDuration(nowMs - this.#startMs),
    ];
    if (sent.retried > 0) parts.push(`${formatNumber(sent.retried)} retried`);
    this.#progress.status(parts.join(' · '));
  }

  clear(): void {
    this.#progress.clear();
  }
}
