import { idScript } from '../flux/translate.ts';
import { ValueReader } from '../influx/count-reader.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { RankedRole } from '../../../contract/roles.ts';
import type { HourCounts, HourTop } from '../schema/hour-counts.ts';
import type { Schema } from '../schema/buckets.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import type { QueryBudget, Spare } from './budget.ts';
import { boundOf, ListSum, type AllCounts, type Frequent, type IdCount } from './counted-top.ts';
import { MOST_AGE_MS } from './kept-hours.ts';

/** What is kept for rankings may take so much of the budget. */
const KEPT_SHARE = 1 / 8;
/** Of whatever is kept, of an id in it, and of a number of one of its points. */
const ENTRY_BYTES = 256;
const ID_BYTES = 96;
/** Of an id with its number. */
export const NUMBERED_ID_BYTES = 144;
const POINT_BYTES = 8;

/** The ids of all points of an hour, with their times. */
export interface HourIds {
  readonly seal: string;
  /** Their numbers, from 0, in order. */
  readonly numbers: ReadonlyMap<string, number>;
  /** Of each point, the number of its id. */
  readonly idAt: Uint32Array;
  /** Of each point, ms since the hour began. */
  readonly msAt: Uint32Array;
}

/** When everyone's points of an hour occurred. */
export interface HourPoints {
  /** Of the hour, before they were read. */
  readonly seal: string;
  /** Of each type, ms since the hour began, ascending. */
  readonly types: ReadonlyMap<string, Uint32Array>;
}

/** What lists add up to. */
interface HourSum {
  readonly lists: readonly HourTop[];
  readonly sum: ListSum;
}

type Value = HourCounts | HourTop | HourIds | HourSum | HourPoints;

interface Kept {
  readonly value: Value;
  readonly sinceMs: number;
  readonly bytes: number;
}

/**
 * What rankings, and everyone's counts of parts of hours, have read of hours. It never changes under the seal that the hour had before it was read,
 * so that it is as good as what is read now where the hour still has that seal.
 */
export class KeptLists implements Spare {
  readonly #budget: QueryBudget;
  readonly #now: () => number;
  /** The one that was used longest ago first. */
  readonly #all = new Map<string, Kept>();
  #bytes = 0;

  /** @param now epoch ms */
  constructor(budget: QueryBudget, now: () => number) {
    this.#budget = budget;
    this.#now = now;
    budget.addSpare(this);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What an hour counts, by type. */
  counts(hour: Hour, seal: string): HourCounts | undefined {
    return this.#get<HourCounts>(`counts ${hour}`, (counts) => counts.seal === seal);
  }

  keepCounts(counts: HourCounts): void {
    this.#keep(`counts ${counts.hour}`, counts);
  }

  /** The first ids of an hour and type. */
  list(of: RankedRole, hour: Hour, type: string, seal: string): HourTop | undefined {
    return this.#get<HourTop>(listKey(of, hour, type), (list) => list.seal === seal);
  }

  keepList(of: RankedRole, list: HourTop): void {
    this.#keep(listKey(of, list.hour, list.type), list);
  }

  ids(of: RankedRole, hour: Hour, types: readonly string[], seal: string): HourIds | undefined {
    return this.#get<HourIds>(idsKey(of, hour, types), (kept) => kept.seal === seal);
  }

  keepIds(of: RankedRole, hour: Hour, types: readonly string[], ids: HourIds): void {
    this.#keep(idsKey(of, hour, types), ids);
  }

  /** What these lists add up to: made once, as long as it is asked of the same. */
  sum(of: RankedRole, types: readonly string[], lists: readonly HourTop[]): ListSum {
    const key = sumKey(of, types, lists.length);
    // Under its seal a list stays what it is.
    const kept = this.#get<HourSum>(key, (before) => before.lists.every((list, at) => list === lists[at]));
    if (kept !== undefined) return kept.sum;
    const sum = new ListSum(lists);
    this.#keep(key, { lists, sum });
    return sum;
  }

  /** Everyone's points of an hour. */
  points(hour: Hour, seal: string): HourPoints | undefined {
    return this.#get<HourPoints>(`points ${hour}`, (kept) => kept.seal === seal);
  }

  keepPoints(hour: Hour, points: HourPoints): void {
    this.#keep(`points ${hour}`, points);
  }

  free(bytes: number): void {
    const most = Math.max(0, this.#bytes - bytes);
    for (const [key, kept] of this.#all) {
      if (this.#bytes <= most) return;
      this.#forget(key, kept);
    }
  }

  /** The key names the kind of value. */
  #get<T extends Value>(key: string, isGood: (value: T) => boolean): T | undefined {
    const kept = this.#all.get(key);
    if (kept === undefined) return undefined;
    const value = kept.value as T;
    if (!isGood(value) || this.#isOld(kept)) {
      this.#forget(key, kept);
      return undefined;
    }
    this.#all.delete(key);
    this.#all.set(key, kept);
    return value;
  }

  #keep(key: string, value: Value): void {
    const kept = { value, sinceMs: this.#now(), bytes: bytesOf(value) };
    const most = this.#budget.limits.maxBytes * KEPT_SHARE;
    const before = this.#all.get(key);
    if (before !== undefined) this.#forget(key, before);
    // What nobody asks for any more has come to the front.
    for (const [old, one] of this.#all) {
      if (!this.#isOld(one)) break;
      this.#forget(old, one);
    }
    if (kept.bytes > most) return;
    if (this.#bytes + kept.bytes > most) this.free(this.#bytes + kept.bytes - most);
    // Requests go first.
    if (kept.bytes > this.#budget.free) return;
    this.#all.set(key, kept);
    this.#bytes += kept.bytes;
  }

  #isOld({ sinceMs }: Kept): boolean {
    return this.#now() - sinceMs > MOST_AGE_MS;
  }

  #forget(key: string, { bytes }: Kept): void {
    this.#all.delete(key);
    this.#bytes -= bytes;
  }
}

const listKey = (of: RankedRole, hour: Hour, type: string): string => `list ${of} ${hour} ${type}`;
const idsKey = (of: RankedRole, hour: Hour, types: readonly string[]): string =>
  `ids ${of} ${hour} ${types.toSorted().join(' ')}`;
/** Of how many lists, because those of a day and of a week are asked for in turn. */
const sumKey = (of: RankedRole, types: readonly string[], lists: number): string =>
  `sum ${of} ${lists} ${types.toSorted().join(' ')}`;

function bytesOf(value: Value): number {
  if ('sum' in value) return ENTRY_BYTES + value.sum.bytes + value.lists.length * POINT_BYTES;
  if ('types' in value)
    return 'hour' in value
      ? ENTRY_BYTES + value.types.size * ID_BYTES
      : [...value.types.values()].reduce((sum, times) => sum + times.byteLength, ENTRY_BYTES);
  return 'numbers' in value
    ? ENTRY_BYTES + value.numbers.size * NUMBERED_ID_BYTES + value.msAt.length * 2 * POINT_BYTES
    : ENTRY_BYTES + value.ids.length * ID_BYTES;
}

/** @param memory told how many bytes more are taken */
export async function readHourIds(
  influx: Pick<InfluxReader, 'bytes'>,
  asked: { readonly of: RankedRole; readonly hour: Hour; readonly types: readonly string[]; readonly seal: string },
  schema: Schema,
  memory: (change: number) => void,
  signal: AbortSignal,
): Promise<HourIds> {
  const { of, hour, types, seal } = asked;
  const range = { fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS };
  const numbers = new Map<string, number>();
  const [idAt, msAt]: [number[], number[]] = [[], []];
  const decoder = new TextDecoder();
  const reader = new ValueReader(() => (ms, bytes, from, to) => {
    if (ms === null) return false;
    const id = decoder.decode(bytes.subarray(from, to));
    let number = numbers.get(id);
    if (number === undefined) {
      memory(NUMBERED_ID_BYTES);
      numbers.set(id, (number = numbers.size));
    }
    if (idAt.length % 1_024 === 0) memory(1_024 * 2 * POINT_BYTES);
    idAt.push(number);
    msAt.push(ms - range.fromMs);
    return true;
  });
  await influx.bytes(
    idScript({ preset: of, types, ...range, timed: true }, schema),
    (chunk) => reader.push(chunk),
    signal,
  );
  reader.end();
  return { seal, numbers, idAt: Uint32Array.from(idAt), msAt: Uint32Array.from(msAt) };
}

/** How often ids occur in what follows an instant. */
export class IdsFrom implements AllCounts {
  readonly #numbers: HourIds['numbers'];
  readonly #counts: Uint32Array;

  /** @param fromMs since the hour began */
  constructor({ numbers, idAt, msAt }: HourIds, fromMs: number) {
    this.#numbers = numbers;
    const counts = (this.#counts = new Uint32Array(numbers.size));
    for (let at = 0; at < msAt.length; at++) {
      const id = idAt[at] ?? 0;
      if ((msAt[at] ?? 0) >= fromMs) counts[id] = (counts[id] ?? 0) + 1;
    }
  }

  frequent(most: number, least: number): Frequent {
    const counts = this.#counts;
    const bound = boundOf(counts.slice(), most, least);
    const ids: IdCount[] = [];
    let at = 0;
    for (const id of this.#numbers.keys()) {
      const count = counts[at++] ?? 0;
      if (count > bound) ids.push({ id, count });
    }
    return { ids, bound };
  }

  countOf(id: string): number {
    return this.#counts[this.#numbers.get(id) ?? -1] ?? 0;
  }
}
