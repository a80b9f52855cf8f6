import { peopleStream } from '../flux/translate.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import type { Schema } from '../schema/buckets.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import type { Row } from './hour-rows.ts';
import type { HourSeals } from './hour-seals.ts';
import type { HourPoints, KeptLists } from './kept-lists.ts';
import { UnsentReads } from './unsent-reads.ts';
import type { Range } from './validate.ts';

/** Points of an hour that are read one by one at most. */
const MOST_POINTS = 200_000;
/** Reading so many points one by one costs InfluxDB as much as counting a part of their hour. */
const POINTS_OF_A_COUNT = 10_000;
/** Hours of which is remembered how often they were counted. */
const MOST_HOURS = 1_000;

/**
 * Everyone's points of the hours that ranges begin in: such a range moves on with each refresh, and each time another part of the hour is asked for.
 * They are read once the parts that were counted before have cost as much, and kept under the hour's seal.
 */
export class EveryonesPoints {
  readonly #joined: Pick<JoinedReader, 'ask'>;
  readonly #lists: KeptLists;
  readonly #seals: Pick<HourSeals, 'sealOf'>;
  readonly #schema: Schema;
  /** How often parts of an hour were counted; the one that was asked for longest ago first. */
  readonly #counted = new Map<Hour, number>();
  readonly #reading = new UnsentReads<Hour, HourPoints>();

  constructor(joined: Pick<JoinedReader, 'ask'>, lists: KeptLists, seals: Pick<HourSeals, 'sealOf'>, schema: Schema) {
    this.#joined = joined;
    this.#lists = lists;
    this.#seals = seals;
    this.#schema = schema;
  }

  /** What is kept of an hour, as it was at the last look at its seal. */
  kept(hour: Hour): HourPoints | undefined {
    const seal = this.#seals.sealOf(hour);
    return seal === undefined ? undefined : this.#lists.points(hour, seal);
  }

  /** Whether they are to be read, because a part of the hour is asked for, and not counted once more. @param points that the hour may have */
  isDue(hour: Hour, points: number): boolean {
    if (this.#seals.sealOf(hour) === undefined || points > MOST_POINTS) return false;
    const counted = this.#counted.get(hour) ?? 0;
    this.#counted.delete(hour);
    this.#counted.set(hour, counted + 1);
    for (const old of this.#counted.keys()) {
      if (this.#counted.size <= MOST_HOURS) break;
      this.#counted.delete(old);
    }
    return counted >= Math.floor(points / POINTS_OF_A_COUNT);
  }

  /** Reads and keeps them. All who ask before the question is sent share it. @throws as JoinedReader.ask */
  read(hour: Hour): Promise<HourPoints> {
    return this.#reading.ask(hour, (sent) => this.#read(hour, sent));
  }

  /** @param sent called when nobody can be part of it any more */
  async #read(hour: Hour, sent: () => void): Promise<HourPoints> {
    // What the last look saw, and so before they are read: docs/adr/0024-kept-hours.md.
    const seal = this.#seals.sealOf(hour) ?? '';
    let times = new Map<string, number[]>();
    const range = { fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS };
    await this.#joined.ask(
      {
        key: 'everyone’s points',
        streams: 1,
        script: (prefix) => {
          sent();
          return peopleStream(
            {
              kind: 'people',
              name: `${prefix}points`,
              preset: 'everyone',
              ids: [],
              types: [],
              ...range,
              timed: true,
              typed: true,
            },
            this.#schema,
          );
        },
        begin: () => {
          times = new Map();
          return (_, type) => {
            // Parts of split totals are series of their own.
            const own = times.get(type) ?? [];
            times.set(type, own);
            return (ms) => ms !== null && own.push(ms - range.fromMs) > 0;
          };
        },
      },
      undefined,
    );
    const points = { seal, types: new Map([...times].map(([type, own]) => [type, Uint32Array.from(own).sort()])) };
    if (seal !== '') this.#lists.keepPoints(hour, points);
    return points;
  }
}

/** How many of them lie in each grain of a part of their hour. @param everyMs that divides the hour */
export function countPoints({ types }: HourPoints, hour: Hour, { fromMs, toMs }: Range, everyMs: number): Row[] {
  const rows: Row[] = [];
  const begin = hour * HOUR_MS;
  for (const [type, times] of types)
    for (let start = begin; start < begin + HOUR_MS; start += everyMs) {
      const ms = Math.max(start, fromMs);
      const count = placeOf(times, Math.min(start + everyMs, toMs) - begin) - placeOf(times, ms - begin);
      if (count > 0) rows.push({ type, ms, count });
    }
  return rows;
}

/** How many come before. */
function placeOf(times: Uint32Array, ms: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
