import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import type { QueryBudget, Spare } from './budget.ts';
import type { HourSeals, HourSpan } from './hour-seals.ts';

/** What kept hours may take of the budget. */
const KEPT_SHARE = 1 / 4;
/** Of a series, beside its key and its hours. */
const ENTRY_BYTES = 512;
/** Of an hour in which something happened, and of a count in it. */
const HOUR_BYTES = 96;
const ROW_BYTES = 24;
const DAY_HOURS = 24;
/** Hours from the first to the last that a series keeps; what lies further apart begins anew. */
const MOST_SPAN = 2_000;
/**
 * A series is kept for so long at most, in ms: who deletes points by hand marks nothing, and should not have to wait for ever to see it
 * (docs/adr/0024-kept-hours.md).
 */
export const MOST_AGE_MS = 3_600_000;

/** Counts of an hour: number of the type in the series, number of the grain in the hour, count, and so on. */
type Rows = number[];

interface Entry {
  readonly sinceMs: number;
  readonly types: string[];
  first: Hour;
  /** Number of the look before each hour was read, from `first`; 0 where it is not kept. */
  looks: Uint32Array;
  /** Hours without any are not in it. */
  readonly rows: Map<Hour, Rows>;
  bytes: number;
}

/** What is read of a series, before it is kept. */
export interface Draft {
  /** @param ms start of a grain */
  add(type: string, ms: number, count: number): void;
  /** All rows have come. */
  keep(): void;
  /** They have not, and never will. Harmless after {@link keep}. */
  drop(): void;
}

/**
 * Counts of hours as they were read from points, with the look at seals that came before. They are the points' counts as long as the seal is still
 * that one; a later look says so, or drops them.
 */
export class KeptHours implements Spare {
  readonly #seals: Pick<HourSeals, 'sealedSince' | 'number'>;
  readonly #budget: QueryBudget;
  readonly #now: () => number;
  /** The one that was asked for longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  /** What drops each draft, and gives back its bytes. */
  readonly #drafts = new Set<() => void>();
  #drafting = 0;

  /** @param now epoch ms */
  constructor(seals: Pick<HourSeals, 'sealedSince' | 'number'>, budget: QueryBudget, now: () => number) {
    this.#seals = seals;
    this.#budget = budget;
    this.#now = now;
    budget.addSpare(this);
  }

  /** Of what is kept, and of what is being read to be. */
  get bytes(): number {
    return this.#bytes + this.#drafting;
  }

  /** Which of these hours are kept, and as they were at the last look, or since: ascending. */
  valid(key: string, { first, end }: HourSpan): readonly Hour[] {
    const hours: Hour[] = [];
    const entry = this.#entries.get(key);
    if (entry === undefined) return hours;
    if (this.#now() - entry.sinceMs > MOST_AGE_MS) {
      this.#forget(key, entry);
      return hours;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (let hour = first; hour < end; hour++) {
      const look = entry.looks[hour - entry.first] ?? 0;
      if (look === 0) continue;
      const since = this.#seals.sealedSince(hour);
      if (since !== undefined && since <= look) hours.push(hour);
    }
    return hours;
  }

  /** Hands over the counts of some hours: type by type, by time. They must be valid. */
  read(
    key: string,
    hours: readonly Hour[],
    grainMs: number,
    handlerOf: (type: string) => (ms: number, count: number) => void,
  ): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const handlers: (ReturnType<typeof handlerOf> | undefined)[] = [];
    for (const hour of hours) {
      const rows = entry.rows.get(hour);
      if (rows === undefined) continue;
      for (let at = 0; at < rows.length; at += 3) {
        const type = rows[at] ?? 0;
        const add = (handlers[type] ??= handlerOf(entry.types[type] ?? ''));
        add(hour * HOUR_MS + (rows[at + 1] ?? 0) * grainMs, rows[at + 2] ?? 0);
      }
    }
  }

  /** The most that any of these hours counts, of the last of them. */
  most(key: string, hours: readonly Hour[]): number {
    const entry = this.#entries.get(key);
    let most = 0;
    for (const hour of hours.slice(-DAY_HOURS)) {
      const rows = entry?.rows.get(hour) ?? [];
      let sum = 0;
      for (let at = 2; at < rows.length; at += 3) sum += rows[at] ?? 0;
      most = Math.max(most, sum);
    }
    return most;
  }

  /** @param spans whose points are about to be read, all of them */
  draft(key: string, spans: readonly HourSpan[], grainMs: number): Draft {
    const look = this.#seals.number;
    const hours = new Set<Hour>();
    for (const { first, end } of spans)
      for (let hour = first; hour < end; hour++) if (this.#seals.sealedSince(hour) !== undefined) hours.add(hour);
    const types: string[] = [];
    const rows = new Map<Hour, Rows>();
    let bytes = 0;
    let ended = hours.size === 0;
    const take = (more: number): boolean => {
      if (this.bytes + more > this.#most) this.#freeKept(this.bytes + more - this.#most);
      if (this.bytes + more > this.#most || more > this.#budget.free) return false;
      bytes += more;
      this.#drafting += more;
      return true;
    };
    const end = (): void => {
      ended = true;
      this.#drafts.delete(drop);
      this.#drafting -= bytes;
    };
    const drop = (): void => {
      if (ended) return;
      end();
      rows.clear();
    };
    if (!ended) this.#drafts.add(drop);
    return {
      add: (type, ms, count) => {
        if (ended) return;
        const hour = Math.floor(ms / HOUR_MS);
        if (!hours.has(hour)) return;
        let own = rows.get(hour);
        const slot = Math.floor((ms - hour * HOUR_MS) / grainMs);
        if (own !== undefined && own.at(-2) === slot && types[own.at(-3) ?? 0] === type) {
          own[own.length - 1] = (own.at(-1) ?? 0) + count;
          return;
        }
        if (!take(ROW_BYTES + (own === undefined ? HOUR_BYTES : 0))) {
          drop();
          return;
        }
        if (own === undefined) rows.set(hour, (own = []));
        let at = types.lastIndexOf(type);
        if (at === -1) at = types.push(type) - 1;
        own.push(at, slot, count);
      },
      keep: () => {
        if (ended) return;
        end();
        this.#keep(key, look, hours, types, rows);
      },
      drop,
    };
  }

  free(bytes: number): void {
    let freed = this.#freeKept(bytes);
    for (const drop of this.#drafts) {
      if (freed >= bytes) return;
      const before = this.#drafting;
      drop();
      freed += before - this.#drafting;
    }
  }

  /** What nobody asks for any more has come to the front. */
  #forgetOld(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#now() - entry.sinceMs <= MOST_AGE_MS) return;
      this.#forget(key, entry);
    }
  }

  /** @returns how much that was */
  #freeKept(bytes: number): number {
    let freed = 0;
    for (const [key, entry] of this.#entries) {
      if (freed >= bytes) return freed;
      freed += entry.bytes;
      this.#forget(key, entry);
    }
    return freed;
  }

  get #most(): number {
    return this.#budget.limits.maxBytes * KEPT_SHARE;
  }

  #keep(
    key: string,
    look: number,
    hours: ReadonlySet<Hour>,
    types: readonly string[],
    rows: ReadonlyMap<Hour, Rows>,
  ): void {
    this.#forgetOld();
    const first = Math.min(...hours);
    const end = Math.max(...hours) + 1;
    const entry = this.#entryFor(key, first, end);
    if (entry === undefined) return;
    const numbers = types.map((type) => {
      const known = entry.types.indexOf(type);
      return known === -1 ? entry.types.push(type) - 1 : known;
    });
    let change = 0;
    for (const hour of hours) {
      entry.looks[hour - entry.first] = look;
      const before = entry.rows.get(hour);
      if (before !== undefined) change -= bytesOf(before);
      const own = rows.get(hour);
      if (own === undefined) {
        entry.rows.delete(hour);
        continue;
      }
      for (let at = 0; at < own.length; at += 3) own[at] = numbers[own[at] ?? 0] ?? 0;
      entry.rows.set(hour, own);
      change += bytesOf(own);
    }
    this.#grow(entry, change);
    const over = Math.max(this.bytes - this.#most, -this.#budget.free);
    if (over > 0) this.#freeKept(over);
  }

  /** With room for these hours. */
  #entryFor(key: string, first: Hour, end: Hour): Entry | undefined {
    const known = this.#entries.get(key);
    const from = Math.min(first, known?.first ?? first);
    const to = Math.max(end, known === undefined ? end : known.first + known.looks.length);
    if (known !== undefined && to - from <= MOST_SPAN) {
      if (from === known.first && to === known.first + known.looks.length) return known;
      const looks = new Uint32Array(to - from);
      looks.set(known.looks, known.first - from);
      this.#grow(known, looks.byteLength - known.looks.byteLength);
      known.looks = looks;
      known.first = from;
      return known;
    }
    if (known !== undefined) this.#forget(key, known);
    if (end - first > MOST_SPAN) return undefined;
    const entry: Entry = {
      sinceMs: this.#now(),
      types: [],
      first,
      looks: new Uint32Array(end - first),
      rows: new Map(),
      bytes: 0,
    };
    this.#entries.set(key, entry);
    this.#grow(entry, ENTRY_BYTES + 2 * key.length + entry.looks.byteLength);
    return entry;
  }

  #grow(entry: Entry, bytes: number): void {
    entry.bytes += bytes;
    this.#bytes += bytes;
  }

  #forget(key: string, entry: Entry): void {
    this.#bytes -= entry.bytes;
    this.#entries.delete(key);
  }
}

const bytesOf = (rows: Rows): number => HOUR_BYTES + (rows.length / 3) * ROW_BYTES;
