import { setImmediate as turn, setTimeout as realTime } from 'node:timers/promises';
import type { Clock } from '../../backend/src/clock.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Turns of the event loop that everybody gets before time goes on. */
const TURNS = 2;
/** A step as long as this means that nobody polls. Work on other threads (compression) gets some real time to end before it. */
const LONG_STEP_MS = 1_000;
const REAL_MS = 50;

/** Time that passes only while everybody sleeps: an hour of polling is over in a moment. */
export class VirtualClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];
  #running = false;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Lets time jump, as a suspended machine or a long outage does. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const sleeper: Sleeper = {
        atMs: this.#nowMs + ms,
        wake: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((s) => s !== sleeper);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#sleepers.push(sleeper);
      if (!this.#running) void this.#run();
    });
  }

  #next(): Sleeper | undefined {
    return this.#sleepers.reduce<Sleeper | undefined>(
      (first, s) => (first === undefined || s.atMs < first.atMs ? s : first),
      undefined,
    );
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#sleepers.length > 0) {
      for (let n = 0; n < TURNS; n++) await turn();
      let next = this.#next();
      if (next !== undefined && next.atMs - this.#nowMs >= LONG_STEP_MS) {
        await realTime(REAL_MS);
        next = this.#next();
      }
      if (next === undefined) break;
      this.#sleepers = this.#sleepers.filter((s) => s !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#running = false;
  }
}
