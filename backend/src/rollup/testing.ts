import fc from 'fast-check';
import type { RankedRole } from '../../../contract/roles.ts';
import type { Clock } from '../clock.ts';
import type { HoursAsked } from '../flux/hours.ts';
import type { PointSink, Refusal } from '../influx/point-sink.ts';
import type { BucketRole } from '../schema/buckets.ts';
import { parseHour, parseHourTop, topField, type HourCounts, type HourTop } from '../schema/hour-counts.ts';
import { HOUR_MS, hourOf, marksByHour, parseMark, type Hour, type Mark } from '../schema/hour-marks.ts';
import type { LineBlock } from '../schema/line-block.ts';
import type { CountedHours, HoursRead } from './counted-hours.ts';

/** A total as a model keeps it. */
export interface ModelTotal {
  readonly type: string;
  readonly ms: number;
  readonly ids: Readonly<Partial<Record<RankedRole, string>>>;
}

/** The totals bucket in memory. `step` is awaited before and after each change and each look, so that a test decides their order. */
export class ModelTotals implements CountedHours, Pick<PointSink, 'write'> {
  readonly totals: Map<string, ModelTotal>;
  readonly texts: Map<string, string>;
  readonly #step: (what: string) => Promise<unknown>;

  /** @param same whose bucket it is */
  constructor(step: (what: string) => Promise<unknown> = () => Promise.resolve(), same?: ModelTotals) {
    this.#step = step;
    this.totals = same?.totals ?? new Map<string, ModelTotal>();
    this.texts = same?.texts ?? new Map<string, string>();
  }

  async write(_role: BucketRole, lines: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]> {
    await this.writeLines(Buffer.from(lines.bytes(0, lines.length)).toString('latin1').split('\n'), signal);
    return [];
  }

  async writeLines(lines: readonly string[], _signal: AbortSignal): Promise<void> {
    await this.#step('write');
    for (const line of lines) this.#apply(line);
    await this.#step('written');
  }

  #apply(line: string): void {
    const [, series = '', fields = '', ns = ''] = /^(\S+) (.*) (\d+)$/.exec(line) ?? [];
    const [measurement = '', ...tags] = series.split(',');
    const type = tags.find((tag) => tag.startsWith('type='))?.slice(5) ?? '';
    if (measurement === 'interaction') {
      const ids = Object.fromEntries(
        fields.split(',').map((field) => [field.split('=')[0] ?? '', /=(\w+?)i?$/.exec(field)?.[1] ?? '']),
      );
      this.totals.set(`${series} ${ns}`, { type, ms: Number(ns.slice(0, -6)), ids });
      return;
    }
    for (const [, name = '', text = ''] of fields.matchAll(/(\w+)="([^"]*)"/g))
      this.texts.set(`${series} ${name} ${ns}`, text);
  }

  *#textsOf(measurement: string, field: string): Generator<{ readonly text: string; readonly type: string }> {
    for (const [key, text] of this.texts) {
      const [series = '', name] = key.split(' ');
      if (series.split(',')[0] === measurement && name === field)
        yield { text, type: /type=(\w+)/.exec(series)?.[1] ?? '' };
    }
  }

  /** All that a query would read, at one instant. */
  look({ fromMs, toMs, field }: HoursAsked): HoursRead {
    const within = ({ hour }: { readonly hour: Hour }): boolean => hour * HOUR_MS >= fromMs && hour * HOUR_MS < toMs;
    const marks = [...this.#textsOf('interaction_mark', 'state')]
      .map(({ text }) => parseMark(text))
      .filter((mark): mark is Mark => mark !== undefined);
    const counts =
      field === undefined
        ? []
        : [...this.#textsOf('interaction_hour', field)]
            .map(({ text }) => parseHour(text, field))
            .filter((each): each is HourCounts => each !== undefined);
    return { marks: marksByHour(marks.filter(within)), counts: counts.filter(within) };
  }

  tops(of: RankedRole): HourTop[] {
    return [...this.#textsOf('interaction_hour_top', topField(of))].flatMap(
      ({ text, type }) => parseHourTop(text, type) ?? [],
    );
  }

  async read(asked: HoursAsked): Promise<HoursRead> {
    await this.#step('read');
    const read = this.look(asked);
    await this.#step('was read');
    return read;
  }

  inHour(hour: Hour): ModelTotal[] {
    return [...this.totals.values()].filter(({ ms }) => hourOf(ms) === hour);
  }

  async countMinutes(hour: Hour, add: (type: string, minute: number, count: number) => void): Promise<void> {
    await this.#step('count');
    for (const { type, ms } of this.inHour(hour)) add(type, Math.floor((ms % HOUR_MS) / 60_000), 1);
    await this.#step('counted');
  }

  async readIds(of: RankedRole, hour: Hour, add: (type: string, id: string) => void): Promise<void> {
    await this.#step('ids');
    for (const { type, ids } of this.inHour(hour)) if (ids[of] !== undefined && ids[of] !== '0') add(type, ids[of]);
    await this.#step('ids were read');
  }
}

/** A clock that stands until it is moved; whoever sleeps wakes then. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason as Error);
      });
    });
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.untilMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}

/** What writers of a property test may do, and time beside them. */
export type WriterAction =
  | { readonly kind: 'write'; readonly writer: number; readonly hours: readonly number[] }
  | { readonly kind: 'crash' | 'close'; readonly writer: number }
  | { readonly kind: 'advance'; readonly minutes: number };

export const WRITERS = 2;
export const anyWriter = fc.nat({ max: WRITERS - 1 });

/**
 * @param hours numbers of hours that a write may go to, and how many of them at once
 * @param minutes that may pass
 */
export const writerActions = (
  hours: { readonly max: number; readonly maxLength: number },
  minutes: readonly number[],
): { readonly weight: number; readonly arbitrary: fc.Arbitrary<WriterAction> }[] => [
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      writer: anyWriter,
      hours: fc.array(fc.nat({ max: hours.max }), { minLength: 1, maxLength: hours.maxLength }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash' as const, 'close' as const), writer: anyWriter }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), minutes: fc.constantFrom(...minutes) }) },
];
