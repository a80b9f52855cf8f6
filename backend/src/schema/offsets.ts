import { UserpulseError } from '../errors.ts';
import type { BucketRole } from './buckets.ts';
import { hexOf, nextOffset, OFFSETS, type EventIdentity } from './identity.ts';
import { mix } from '../../../contract/murmur32.ts';
import type { Point } from './points.ts';
import { RecentTable } from './recent-table.ts';

/**
 * An event whose own offset in a bucket was taken by another one, and the offset that its point got instead. Plain JSON, for the checkpoint.
 */
export interface Relocation {
  readonly role: BucketRole;
  /**
   * Opaque, 48 hex digits: the event's key (32), then the (role, series, millisecond) that the offset lies in (16), so that a restored relocation
   * also keeps its offset from others.
   */
  readonly event: string;
  /** ns within the millisecond, 0 to 999,999. */
  readonly offsetNs: number;
}

export interface Assignment {
  readonly role: BucketRole;
  /** ns within the millisecond, 0 to 999,999. */
  readonly offsetNs: number;
  /** Whether this call found the event's own offset taken by another event (never for a known relocation). For the collision counter. */
  readonly collided: boolean;
  /**
   * Set when the point was relocated and the relocation is not known yet. It must be durable before this point, or any later point of an equal event,
   * is sent to InfluxDB: otherwise a redo might give the event another offset and count it twice.
   */
  readonly relocation: Relocation | undefined;
}

/** Which event (value) took which offsetNs (key); both are 64-bit hashes as two words. See {@link RecentTable}. */
export type OffsetMemory = Pick<RecentTable, 'find' | 'holds' | 'add' | 'replace'>;

/**
 * Remembers which event took which (role, series, millisecond, offsetNs) lately, so that different events never share a point; see
 * "Point identity" in docs/architecture.md.
 *
 * - An event takes its own offsetNs ({@link EventIdentity.offsetNs}) unless another event has it; then the next free one, wrapping at the end of the
 *   millisecond. An equal event finds itself on the way and gets the same offsetNs.
 * - Known relocations are looked up first, so that a redo and a repeated event land on the same point whatever came between.
 * - Both memories are bounded. What is forgotten costs nothing for an event at its own offset; for a relocated one, and for one whose neighbour is
 *   forgotten, it needs a second coincidence of one in a million within the same series and millisecond, later than the memory reaches.
 */
export class OffsetTable {
  readonly #taken: OffsetMemory;
  readonly #relocations = new Map<string, Relocation>();
  readonly #maxRelocations: number;
  /** Known relocations per low bits of the event's key: a look-up by text only where one is likely. */
  readonly #relocationFilter = new Uint32Array(FILTER_MASK + 1);

  /**
   * @param options.capacity points remembered, 12 bytes each; a good value is what arrives in half a minute: 2^21 at 25,000 events/s
   * @param options.maxRelocations relocations remembered, about 200 bytes each, the oldest out
   * @param options.taken another memory, for example one that forgets nothing (replay)
   */
  constructor(
    options: { readonly maxRelocations?: number } & ({ readonly capacity: number } | { readonly taken: OffsetMemory }),
  ) {
    this.#taken = 'taken' in options ? options.taken : new RecentTable(options.capacity);
    this.#maxRelocations = options.maxRelocations ?? 65_536;
  }

  /**
   * Takes back relocations from checkpoints, of all shards and before the first {@link assign}.
   * @throws UserpulseError `checkpoint_unusable` for one that was not made by this class
   */
  restore(relocations: Iterable<Relocation>): void {
    for (const relocation of relocations) {
      if (
        !/^[0-9a-f]{48}$/.test(relocation.event) ||
        !(Number.isInteger(relocation.offsetNs) && relocation.offsetNs >= 0 && relocation.offsetNs < OFFSETS)
      ) {
        throw new UserpulseError(
          'checkpoint_unusable',
          `The checkpoint holds a relocated point that is none: ${JSON.stringify(relocation)}.`,
          {
            hint: 'Was it edited, or written by another version? Restore it from a copy.',
          },
        );
      }
      const [key0, key1, , , seriesMs0, seriesMs1] = wordsOf(relocation.event);
      this.#remember(relocation, key0);
      const at0 = offsetHash0(seriesMs0, relocation.offsetNs);
      const at1 = offsetHash1(seriesMs1, relocation.offsetNs);
      const handle = this.#taken.find(at0, at1);
      if (handle === -1) this.#taken.add(at0, at1, key0, key1);
      else this.#taken.replace(handle, key0, key1);
    }
  }

  /** Relocations known, for tests and a gauge. */
  get relocations(): number {
    return this.#relocations.size;
  }

  assign(point: Point, event: EventIdentity): Assignment {
    return this.assignAt(point.role, ...seriesMsHash(point), event);
  }

  /**
   * As {@link assign} of a point by its {@link SeriesMsHash}.
   * @param seriesMs0 its first half
   * @param seriesMs1 its second
   */
  assignAt(role: BucketRole, seriesMs0: number, seriesMs1: number, event: EventIdentity): Assignment {
    const [key0, key1] = event.key;
    if (this.#relocationFilter[key0 & FILTER_MASK] !== 0) {
      const known = this.#relocations.get(relocationKey(role, hexOf(event.key)));
      // A relocation made under another prefix scheme is about another series.
      if (known?.event.slice(KEY_DIGITS) === hexOf([seriesMs0, seriesMs1])) {
        return { role, offsetNs: known.offsetNs, collided: false, relocation: undefined };
      }
    }
    let offsetNs = event.offsetNs;
    // As many steps as there are offsets at most: should all of them be taken, the event shares its own.
    for (let step = 0; step < OFFSETS; step++) {
      const at0 = offsetHash0(seriesMs0, offsetNs);
      const at1 = offsetHash1(seriesMs1, offsetNs);
      const handle = this.#taken.find(at0, at1);
      if (handle === -1) this.#taken.add(at0, at1, key0, key1);
      if (handle === -1 || this.#taken.holds(handle, key0, key1)) {
        if (step === 0) return { role, offsetNs, collided: false, relocation: undefined };
        const relocation: Relocation = {
          role,
          event: hexOf([...event.key, seriesMs0, seriesMs1]),
          offsetNs,
        };
        this.#remember(relocation, key0);
        return { role, offsetNs, collided: true, relocation };
      }
      offsetNs = nextOffset(offsetNs);
    }
    return { role, offsetNs: event.offsetNs, collided: true, relocation: undefined };
  }

  /** Whether another event has the point's own place, which is remembered as this one's where nobody has it. */
  collides(point: Point, event: EventIdentity): boolean {
    return this.collidesAt(...seriesMsHash(point), event);
  }

  /** As {@link collides}, of a point by its {@link SeriesMsHash}. */
  collidesAt(seriesMs0: number, seriesMs1: number, event: EventIdentity): boolean {
    const [key0, key1] = event.key;
    const at0 = offsetHash0(seriesMs0, event.offsetNs);
    const at1 = offsetHash1(seriesMs1, event.offsetNs);
    const handle = this.#taken.find(at0, at1);
    if (handle === -1) this.#taken.add(at0, at1, key0, key1);
    return handle !== -1 && !this.#taken.holds(handle, key0, key1);
  }

  #remember(relocation: Relocation, key0: number): void {
    const key = relocationKey(relocation.role, relocation.event.slice(0, KEY_DIGITS));
    if (!this.#relocations.has(key)) this.#count(key0, 1);
    this.#relocations.set(key, relocation);
    if (this.#relocations.size > this.#maxRelocations) {
      for (const [oldest, { event }] of this.#relocations) {
        this.#relocations.delete(oldest);
        this.#count(wordsOf(event)[0], -1);
        break;
      }
    }
  }

  #count(key0: number, change: 1 | -1): void {
    const at = key0 & FILTER_MASK;
    this.#relocationFilter[at] = (this.#relocationFilter[at] ?? 0) + change;
  }
}

/** Which (role, series, millisecond) a relocation lies in: equal texts for equal ones. */
export const groupOfRelocation = ({ role, event }: Relocation): string => `${role} ${event.slice(KEY_DIGITS)}`;
/** The event that was relocated: its eventKey. */
export const eventOfRelocation = ({ event }: Relocation): string => event.slice(0, KEY_DIGITS);
/** The group of a point. */
export const groupOfPoint = (point: Pick<Point, 'role' | 'series' | 'ms'>): string =>
  `${point.role} ${hexOf(seriesMsHash(point))}`;

const FILTER_MASK = 0xffff;
const KEY_DIGITS = 32;

const relocationKey = (role: BucketRole, eventHex: string): string => `${role} ${eventHex}`;

/** The inverse of {@link hexOf} for a relocation's 48 digits; words as signed as hashes are. */
function wordsOf(hex: string): [number, number, number, number, number, number] {
  const word = (index: number): number => Number.parseInt(hex.slice(index * 8, index * 8 + 8), 16) | 0;
  return [word(0), word(1), word(2), word(3), word(4), word(5)];
}

const ROLE_SEED: Readonly<Record<BucketRole, number>> = { made: 1, received: 2, share: 3, total: 4 };

const SERIES_MS_SEED_0 = 0x9747b28c;
const SERIES_MS_SEED_1 = 0x3c6ef372;
const FNV_PRIME = 0x01000193;

/** The hash of a series' first units, both halves. */
export interface SeriesBegun {
  readonly half0: number;
  readonly half1: number;
}

/** The hash of what a series begins with; the hash of the whole goes on with {@link hashedUnit} of each half and ends with {@link SeriesMsHash}. */
export function seriesBegun(role: BucketRole, head: string): SeriesBegun {
  let half0 = SERIES_MS_SEED_0 ^ ROLE_SEED[role];
  let half1 = SERIES_MS_SEED_1 ^ ROLE_SEED[role];
  for (let at = 0; at < head.length; at++) {
    const unit = head.charCodeAt(at);
    half0 = hashedUnit(half0, unit);
    half1 = hashedUnit(half1, unit);
  }
  return { half0, half1 };
}

/** Half of a hash with one more unit. */
export const hashedUnit = (half: number, unit: number): number => Math.imul(half ^ unit, FNV_PRIME);

/**
 * The 64-bit hash of (role, series, millisecond). Two with one hash would only avoid each other's offsets where they need not: a needless relocation,
 * never a lost point. The same for everyone, because relocations in checkpoints hold it.
 */
export class SeriesMsHash {
  half0 = 0;
  half1 = 0;

  /** Becomes that of a series, of whose text the halves are the hash. */
  of(half0: number, half1: number, ms: number): this {
    const low = ms | 0;
    const high = Math.floor(ms / 0x1_0000_0000);
    this.half0 = mix(mix(half0 ^ low) ^ high ^ SERIES_MS_SEED_0);
    this.half1 = mix(mix(half1 ^ low) ^ high ^ SERIES_MS_SEED_1);
    return this;
  }
}

function seriesMsHash({ role, series, ms }: Pick<Point, 'role' | 'series' | 'ms'>): [number, number] {
  const { half0, half1 } = seriesBegun(role, series);
  const hash = new SeriesMsHash().of(half0, half1, ms);
  return [hash.half0, hash.half1];
}

const offsetHash0 = (seriesMs0: number, offsetNs: number): number =>
  mix(seriesMs0 ^ Math.imul(offsetNs + 1, 0x9e3779b1));
const offsetHash1 = (seriesMs1: number, offsetNs: number): number =>
  mix(seriesMs1 + Math.imul(offsetNs + 1, 0x85ebca77));
