import type { Logger } from 'pino';
import { isAborted, type Clock } from '../clock.ts';
import { EARLIEST_MS } from '../event/event.ts';
import { HOUR_MS, hourOf, markLine, sealOf, type Hour, type Mark, type Marks } from '../schema/hour-marks.ts';
import { RENEW_MS } from './hour-marks.ts';
import type { CountedHours } from './counted-hours.ts';
import { recountHour } from './recount.ts';

/** Marks are looked at so often, in ms. */
const LOOK_MS = 30_000;
/** An open mark that nobody has renewed for so long, as seen from here, in ms: its writer is gone. */
const ABANDONED_MS = 6 * RENEW_MS;
/** After an hour was counted, so many times as long as that took belongs to others. */
const REST = 3;
/** Events may occur so far ahead of their arrival at most, by the greatest USERPULSE_MAX_AHEAD_MS. */
const AHEAD_MS = 48 * HOUR_MS;

interface Seen {
  readonly renewal: number;
  readonly sinceMs: number;
}

export interface RecounterOptions {
  readonly hours: CountedHours;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onCounted?: (hour: Hour) => void;
  /** Hours that wait to be counted, and that are being written to, at each look. */
  readonly onLook?: (look: { readonly waiting: number; readonly open: number }) => void;
}

/** Counts every hour that is sealed and not counted as it is, the latest first, one after the other, until it is stopped. */
export class Recounter {
  readonly #o: RecounterOptions;
  /** Seal under which an hour was counted, as far as known. */
  readonly #counted = new Map<Hour, string>();
  /** When an open mark was first seen as it is. */
  #seen = new Map<string, Seen>();
  #known = false;

  constructor(options: RecounterOptions) {
    this.#o = options;
  }

  /** Resolves when the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!isAborted(signal)) {
      try {
        await this.look(signal);
        await this.#o.clock.sleep(LOOK_MS, signal);
      } catch (error) {
        if (isAborted(signal)) return;
        this.#o.logger.warn({ err: error }, 'Hours cannot be counted for now; queries read their points instead.');
        await this.#o.clock.sleep(LOOK_MS, signal).catch(() => undefined);
      }
    }
  }

  /** Counts what there is to count now. @throws what the port throws; the signal's reason */
  async look(signal: AbortSignal): Promise<void> {
    const { hours, clock, onCounted, onLook } = this.#o;
    const nowMs = clock.now();
    const range = { fromMs: hourOf(EARLIEST_MS) * HOUR_MS, toMs: (hourOf(nowMs + AHEAD_MS) + 1) * HOUR_MS };
    const { marks, counts } = await hours.read(this.#known ? range : { ...range, field: 'counts' }, signal);
    for (const { hour, seal } of counts) this.#counted.set(hour, seal);
    this.#known = true;
    await this.#closeAbandoned(marks, nowMs, signal);
    const waiting: [Hour, string][] = [];
    let open = 0;
    for (const [hour, own] of marks) {
      const seal = sealOf(own);
      if (seal === undefined) open++;
      else if (this.#counted.get(hour) !== seal) waiting.push([hour, seal]);
    }
    onLook?.({ waiting: waiting.length, open });
    waiting.sort(([a], [b]) => b - a);
    for (const [hour, seal] of waiting) {
      const beganMs = clock.now();
      await recountHour(hours, hour, seal, signal);
      this.#counted.set(hour, seal);
      onCounted?.(hour);
      await clock.sleep(Math.max(1, REST * (clock.now() - beganMs)), signal);
    }
  }

  async #closeAbandoned(marks: Marks, nowMs: number, signal: AbortSignal): Promise<void> {
    const seen = new Map<string, Seen>();
    const abandoned: Mark[] = [];
    for (const own of marks.values())
      for (const mark of own) {
        if (!mark.open) continue;
        const key = `${mark.hour} ${mark.writer} ${mark.turn}`;
        const before = this.#seen.get(key);
        const sinceMs = before?.renewal === mark.renewal ? before.sinceMs : nowMs;
        seen.set(key, { renewal: mark.renewal, sinceMs });
        if (nowMs - sinceMs >= ABANDONED_MS) abandoned.push({ ...mark, open: false });
      }
    this.#seen = seen;
    if (abandoned.length === 0) return;
    this.#o.logger.info({ marks: abandoned.length }, 'Closing the marks of writers that are gone.');
    await this.#o.hours.writeLines(abandoned.map(markLine), signal);
  }
}
