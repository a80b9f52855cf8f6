import { UserpulseError } from '../errors.ts';
import type { BucketRole } from './buckets.ts';
import { hexOf, SLOTS, type EventIdentity } from './identity.ts';
import { mix } from './murmur.ts';
import type { Point } from './points.ts';
import { RecentTable } from './recent.ts';

/**
 * An event whose own place in a bucket was taken by another one, and where its point went instead. Plain JSON, for the checkpoint.
 */
export interface Move {
  readonly role: BucketRole;
  /**
   * Opaque, 48 hex digits: the event's key (32), then the (role, series, millisecond) that the slot lies in (16), so that a restored move
   * also keeps its place from others.
   */
  readonly event: string;
  /** ns within the millisecond, 0 to 999,999. */
  readonly slot: number;
}

export interface Assignment {
  /** ns within the millisecond, 0 to 999,999. */
  readonly slot: number;
  /** Whether this call found the event's own place taken by another event (never for a known move). For the collision counter. */
  readonly collided: boolean;
  /**
   * Set when the point was moved and the move is not known yet. It must be durable before this point, or any later point of an equal event,
   * is sent to InfluxDB: otherwise a redo might place the event elsewhere and count it twice.
   */
  readonly move: Move | undefined;
}

/** Which event (value) took which slot (key); both are 64-bit hashes as two words. See {@link RecentTable}. */
export type SlotMemory = Pick<RecentTable, 'find' | 'holds' | 'add' | 'replace'>;

/**
 * Remembers which event took which (role, series, millisecond, slot) lately, so that different events never share a point; see
 * "Point identity" in docs/architecture.md.
 *
 * - An event takes its own slot ({@link EventIdentity.slot}) unless another event has it; then the next free one, wrapping at the end of the
 *   millisecond. An equal event finds itself on the way and gets the same slot.
 * - Known moves are looked up first, so that a redo and a repeated event land on the same point whatever came between.
 * - Both memories are bounded. What is forgotten costs nothing for an event at its own slot; for a moved one, and for one whose neighbour is
 *   forgotten, it needs a second coincidence of one in a million within the same series and millisecond, later than the memory reaches.
 */
export class SlotTable {
  readonly #taken: SlotMemory;
  readonly #moves = new Map<string, Move>();
  readonly #maxMoves: number;
  /** Known moves per low bits of the event's key: a look-up by text only where one is likely. */
  readonly #moveFilter = new Uint32Array(FILTER_MASK + 1);

  /**
   * @param options.capacity points remembered, 12 bytes each; a good value is what arrives in half a minute: 2^21 at 25,000 events/s
   * @param options.maxMoves moves remembered, about 200 bytes each, the oldest out
   * @param options.taken a memory of another kind: one that forgets nothing, for who can afford it
   */
  constructor(
    options: { readonly maxMoves?: number } & ({ readonly capacity: number } | { readonly taken: SlotMemory }),
  ) {
    this.#taken = 'taken' in options ? options.taken : new RecentTable(options.capacity);
    this.#maxMoves = options.maxMoves ?? 65_536;
  }

  /**
   * Takes back moves from checkpoints, of all shards and before the first {@link assign}.
   * @throws UserpulseError `checkpoint_unusable` for one that was not made by this class
   */
  restore(moves: Iterable<Move>): void {
    for (const move of moves) {
      if (!/^[0-9a-f]{48}$/.test(move.event) || !(Number.isInteger(move.slot) && move.slot >= 0 && move.slot < SLOTS)) {
        throw new UserpulseError(
          'checkpoint_unusable',
          `The checkpoint holds a moved point that is none: ${JSON.stringify(move)}.`,
          {
            hint: 'Was it edited, or written by another version? Restore it from a copy.',
          },
        );
      }
      const [key0, key1, , , place0, place1] = wordsOf(move.event);
      this.#remember(move, key0);
      const at0 = slotHash0(place0, move.slot);
      const at1 = slotHash1(place1, move.slot);
      const handle = this.#taken.find(at0, at1);
      if (handle === -1) this.#taken.add(at0, at1, key0, key1);
      else this.#taken.replace(handle, key0, key1);
    }
  }

  /** Moves known, for tests and a gauge. */
  get moves(): number {
    return this.#moves.size;
  }

  assign(point: Point, event: EventIdentity): Assignment {
    const [key0, key1] = event.key;
    const [place0, place1] = placeHash(point);
    if (this.#moveFilter[key0 & FILTER_MASK] !== 0) {
      const known = this.#moves.get(moveKey(point.role, hexOf(event.key)));
      // A move made under another prefix scheme is about another series.
      if (known?.event.slice(KEY_DIGITS) === hexOf([place0, place1])) {
        return { slot: known.slot, collided: false, move: undefined };
      }
    }
    let slot = event.slot;
    // As many steps as there are slots at most: should all of them be taken, the event shares its own.
    for (let step = 0; step < SLOTS; step++) {
      const at0 = slotHash0(place0, slot);
      const at1 = slotHash1(place1, slot);
      const handle = this.#taken.find(at0, at1);
      if (handle === -1) this.#taken.add(at0, at1, key0, key1);
      if (handle === -1 || this.#taken.holds(handle, key0, key1)) {
        if (step === 0) return { slot, collided: false, move: undefined };
        const move: Move = { role: point.role, event: hexOf([...event.key, place0, place1]), slot };
        this.#remember(move, key0);
        return { slot, collided: true, move };
      }
      slot = slot + 1 === SLOTS ? 0 : slot + 1;
    }
    return { slot: event.slot, collided: true, move: undefined };
  }

  #remember(move: Move, key0: number): void {
    const key = moveKey(move.role, move.event.slice(0, KEY_DIGITS));
    if (!this.#moves.has(key)) this.#count(key0, 1);
    this.#moves.set(key, move);
    if (this.#moves.size > this.#maxMoves) {
      for (const [oldest, { event }] of this.#moves) {
        this.#moves.delete(oldest);
        this.#count(wordsOf(event)[0], -1);
        break;
      }
    }
  }

  #count(key0: number, change: 1 | -1): void {
    const at = key0 & FILTER_MASK;
    this.#moveFilter[at] = (this.#moveFilter[at] ?? 0) + change;
  }
}

const FILTER_MASK = 0xffff;
const KEY_DIGITS = 32;

const moveKey = (role: BucketRole, eventHex: string): string => `${role} ${eventHex}`;

/** The inverse of {@link hexOf} for a move's 48 digits; words as signed as hashes are. */
function wordsOf(hex: string): [number, number, number, number, number, number] {
  const word = (index: number): number => Number.parseInt(hex.slice(index * 8, index * 8 + 8), 16) | 0;
  return [word(0), word(1), word(2), word(3), word(4), word(5)];
}

const ROLE_SEED: Readonly<Record<BucketRole, number>> = { made: 1, received: 2, share: 3, total: 4 };

const PLACE_SEED_0 = 0x9747b28c;
const PLACE_SEED_1 = 0x3c6ef372;
const FNV_PRIME = 0x01000193;

/**
 * The 64-bit hash of (role, series, millisecond), both halves in one walk over the series. Two places with one hash would only take turns where
 * they need not: a needless move, never a lost point.
 */
function placeHash({ role, series, ms }: Point): [number, number] {
  let hash0 = PLACE_SEED_0 ^ ROLE_SEED[role];
  let hash1 = PLACE_SEED_1 ^ ROLE_SEED[role];
  for (let at = 0; at < series.length; at++) {
    const unit = series.charCodeAt(at);
    hash0 = Math.imul(hash0 ^ unit, FNV_PRIME);
    hash1 = Math.imul(hash1 ^ unit, FNV_PRIME);
  }
  const low = ms | 0;
  const high = Math.floor(ms / 0x1_0000_0000);
  return [mix(mix(hash0 ^ low) ^ high ^ PLACE_SEED_0), mix(mix(hash1 ^ low) ^ high ^ PLACE_SEED_1)];
}

const slotHash0 = (place0: number, slot: number): number => mix(place0 ^ Math.imul(slot + 1, 0x9e3779b1));
const slotHash1 = (place1: number, slot: number): number => mix(place1 + Math.imul(slot + 1, 0x85ebca77));
