export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Time between two redraws on a terminal, and between two lines elsewhere (a log file, CI), in ms. */
const REDRAW_MS = 200;
const LINE_MS = 5_000;
const BAR_LENGTH = 30;

/** Shows how far long work is: on a terminal as one line redrawn in place, elsewhere as a line every few seconds. */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  #shownMs: number;
  #drawn = false;

  constructor(output: ProgressOutput, now: () => number = Date.now) {
    this.#output = output;
    this.#now = now;
    this.#shownMs = now();
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    this.#output.write(`${text}\n`);
  }

  /**
   * The present state, which the next one replaces. May be called as often as it changes.
   * @param fraction of the work that is done, 0 to 1, where its end is known
   */
  status(text: string, fraction?: number): void {
    const terminal = this.#output.isTTY === true;
    const now = this.#now();
    if (now - this.#shownMs < (terminal ? REDRAW_MS : LINE_MS)) return;
    this.#shownMs = now;
    const percent = fraction === undefined ? '' : `${Math.floor(fraction * 100)} % · `;
    if (!terminal) {
      this.#output.write(`${percent}${text}\n`);
      return;
    }
    const bar = fraction === undefined ? '' : `${barOf(fraction)} `;
    // One character short: a full line would wrap, and only its last part would be redrawn.
    const width = Math.max(20, (this.#output.columns ?? 80) - 1);
    this.#output.write(`\r\u001b[2K${`${bar}${percent}${text}`.slice(0, width)}`);
    this.#drawn = true;
  }

  /** Removes the state, so that what follows begins on a clean line. */
  clear(): void {
    if (this.#drawn) this.#output.write('\r\u001b[2K');
    this.#drawn = false;
  }
}

function barOf(fraction: number): string {
  const done = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_LENGTH);
  return '█'.repeat(done) + '░'.repeat(BAR_LENGTH - done);
}
