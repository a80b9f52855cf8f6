import cliProgress from 'cli-progress';
import { formatNumber } from '../produce/progress.ts';

/** Time between two lines where no bar can be drawn, in ms. */
const LINE_EVERY_MS = 5_000;

/** A bar on a terminal; elsewhere a line every few seconds. */
export class ReplayProgress {
  readonly #output: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly #totalBytes: number;
  readonly #startMs: number;
  readonly #bar: cliProgress.SingleBar | undefined;
  #saidMs: number;

  /** @param totalBytes compressed bytes of everything that is to be replayed */
  constructor(output: NodeJS.WritableStream & { readonly isTTY?: boolean }, totalBytes: number, startMs: number) {
    this.#output = output;
    this.#totalBytes = totalBytes;
    this.#startMs = startMs;
    this.#saidMs = startMs;
    if (output.isTTY !== true) return;
    this.#bar = new cliProgress.SingleBar({
      format: '{day} {bar} {percentage} % · {events} events · {rate}/s · {left} left',
      stream: output,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
      hideCursor: true,
      clearOnComplete: true,
      fps: 5,
    });
    this.#bar.start(Math.max(1, totalBytes), 0, this.#payload(0, 0, '', startMs));
  }

  /** @param events since the start of this run */
  update(bytes: number, events: number, day: string, nowMs: number): void {
    const payload = this.#payload(bytes, events, day, nowMs);
    if (this.#bar !== undefined) {
      this.#bar.update(bytes, payload);
      return;
    }
    if (nowMs - this.#saidMs < LINE_EVERY_MS) return;
    this.#saidMs = nowMs;
    const percent = Math.floor((bytes / Math.max(1, this.#totalBytes)) * 100);
    this.#output.write(`${day} · ${percent} % · ${payload.events} events · ${payload.rate}/s · ${payload.left} left\n`);
  }

  /** Takes the bar away, so that what follows begins on a clean line. */
  end(): void {
    this.#bar?.stop();
  }

  #payload(bytes: number, events: number, day: string, nowMs: number) {
    const seconds = Math.max(0.001, (nowMs - this.#startMs) / 1000);
    const left = bytes === 0 ? undefined : (seconds * (this.#totalBytes - bytes)) / bytes;
    return {
      day,
      events: formatNumber(events),
      rate: formatNumber(Math.round(events / seconds)),
      left: left === undefined ? '?' : left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`,
    };
  }
}
