import { randomBytes } from 'node:crypto';
import { after, type Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import type { PointSink } from '../influx/point-sink.ts';
import { HOUR_MS, markLine, type Hour } from '../schema/hour-marks.ts';
import { LineBlock } from '../schema/line-block.ts';

/** An open mark is renewed so often, in ms. */
export const RENEW_MS = 300_000;
/** Whoever was kept from renewing for so long, in ms, may soon be taken for dead: it takes another turn. */
const STALE_MS = 2 * RENEW_MS;
const TICK_MS = 30_000;
/** An hour that is over is left after so long without writes, in ms; twice as long with each turn, because every turn is a point that readers read. */
const QUIET_MS = 120_000;
const MOST_QUIET_MS = 3_600_000;

interface OpenHour {
  /** Those whose marks are open; the last is the present one. */
  readonly turns: number[];
  renewal: number;
  /** When the mark that is in InfluxDB was begun to be written. */
  markedMs: number;
  touchedMs: number;
  /** Writes and removals under way. */
  busy: number;
  /** Until the present turn's mark is durable. */
  opening: Promise<void> | undefined;
}

/**
 * Marks hours before their points change, in whichever bucket, and again when nobody here is at them any more (docs/adr/0020-counted-hours.md):
 *
 *   – ── first write ─▶ opening ── mark durable ─▶ open ── over and quiet, or closed ─▶ done ── next write ─▶ opening, the next turn
 *
 * Of an hour that is open anywhere, or was opened since it was counted, nobody believes the count.
 */
export class HourMarks {
  readonly #sink: Pick<PointSink, 'write'>;
  readonly #clock: Clock;
  readonly #writer: string;
  readonly #hours = new Map<Hour, OpenHour>();
  readonly #nextTurn = new Map<Hour, number>();
  readonly #stop = new AbortController();
  #ticking: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;

  /** @param writer letters and digits that no other process has, nor has had */
  constructor(sink: Pick<PointSink, 'write'>, clock: Clock, writer = randomBytes(8).toString('hex')) {
    this.#sink = sink;
    this.#clock = clock;
    this.#writer = writer;
  }

  /**
   * Does what may change the points of some hours.
   * @throws what `work` throws; UserpulseError influx_rejected; the signal's reason
   */
  async during<T>(hours: Iterable<Hour>, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const all = [...hours];
    // Before anything is awaited: none of them may be left while another is opened.
    const entered = all.map((hour) => this.#enter(hour));
    try {
      await this.#open(all, signal);
      const result = await work();
      // The machine may have slept meanwhile, and others have taken this process for dead.
      await this.#open(all, signal);
      return result;
    } finally {
      for (const known of entered) {
        known.busy--;
        known.touchedMs = this.#clock.now();
      }
    }
  }

  /** Leaves all hours but those that are being written to. */
  async close(signal: AbortSignal): Promise<void> {
    this.#cancel?.();
    this.#stop.abort();
    // A renewal that overtakes the last mark would open it again.
    await this.#ticking;
    await this.#leave(() => true, signal);
  }

  #enter(hour: Hour): OpenHour {
    let known = this.#hours.get(hour);
    if (known === undefined) {
      known = { turns: [], renewal: 0, markedMs: -Infinity, touchedMs: 0, busy: 0, opening: undefined };
      this.#hours.set(hour, known);
      if (!this.#stop.signal.aborted) this.#cancel ??= this.#later();
    }
    known.busy++;
    return known;
  }

  /** Resolves when the marks of all of them are durable, and young enough. */
  async #open(hours: readonly Hour[], signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.now();
    const stale = hours.flatMap((hour) => {
      const known = this.#hours.get(hour);
      return known === undefined || known.opening !== undefined || nowMs - known.markedMs < STALE_MS
        ? []
        : [[hour, known] as const];
    });
    if (stale.length > 0) {
      for (const [hour, known] of stale) {
        const turn = this.#nextTurn.get(hour) ?? 0;
        this.#nextTurn.set(hour, turn + 1);
        known.turns.push(turn);
      }
      const opening = this.#renew(stale, signal);
      const settle = (): void => {
        for (const [, known] of stale) known.opening = undefined;
      };
      for (const [, known] of stale) known.opening = opening.finally(settle);
    }
    await Promise.all(hours.map(async (hour) => this.#hours.get(hour)?.opening));
  }

  /** Writes the open marks of the present turns. */
  async #renew(hours: readonly (readonly [Hour, OpenHour])[], signal: AbortSignal): Promise<void> {
    const markedMs = this.#clock.now();
    await this.#write(
      hours.map(([hour, { turns, renewal }]) => this.#line(hour, turns.at(-1) ?? 0, renewal, true)),
      signal,
    );
    for (const [, known] of hours) known.markedMs = markedMs;
  }

  async #leave(which: (hour: Hour, known: OpenHour) => boolean, signal: AbortSignal): Promise<void> {
    const left = [...this.#hours].filter(([hour, known]) => known.busy === 0 && which(hour, known));
    // Whoever comes from now on takes another turn.
    for (const [hour] of left) this.#hours.delete(hour);
    const lines = left.flatMap(([hour, { turns, renewal }]) =>
      turns.map((turn) => this.#line(hour, turn, renewal, false)),
    );
    await this.#write(lines, signal);
  }

  #line(hour: Hour, turn: number, renewal: number, open: boolean): string {
    return markLine({ hour, writer: this.#writer, turn, renewal, open });
  }

  async #write(lines: readonly string[], signal: AbortSignal): Promise<void> {
    if (lines.length === 0) return;
    const [refused] = await this.#sink.write('total', LineBlock.of(lines), signal);
    if (refused === undefined) return;
    throw new UserpulseError(
      'influx_rejected',
      `InfluxDB refuses a mark in the totals bucket (${lines[refused.index] ?? ''}): ${refused.reason}`,
      { hint: 'Userpulse needs the measurement interaction_mark for itself: remove foreign points of that name.' },
    );
  }

  #later(): () => void {
    return after(this.#clock, TICK_MS, () => {
      this.#ticking = this.#tick()
        // Tried again with the next tick. An outage is told by the sink, and a refusal by the next write.
        .catch(() => undefined)
        .then(() => {
          if (!this.#stop.signal.aborted) this.#cancel = this.#hours.size === 0 ? undefined : this.#later();
        });
    });
  }

  async #tick(): Promise<void> {
    const { signal } = this.#stop;
    const nowMs = this.#clock.now();
    const quiet = (hour: Hour, { turns, touchedMs }: OpenHour): boolean =>
      nowMs >= (hour + 1) * HOUR_MS &&
      nowMs - touchedMs >= Math.min(MOST_QUIET_MS, QUIET_MS * 2 ** (turns.at(-1) ?? 0));
    await this.#leave(quiet, signal);
    const due = [...this.#hours].filter(([, { markedMs, opening }]) => {
      const ageMs = nowMs - markedMs;
      return opening === undefined && ageMs >= RENEW_MS && ageMs < STALE_MS;
    });
    for (const [, known] of due) known.renewal++;
    if (due.length > 0) await this.#renew(due, signal);
  }
}
