import { aggregate } from '../../backend/src/event/kpl.ts';
import { bytesOf, slotOf, type Oracle, type Role, type TestEvent } from '../support/oracle.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2012, 6, 1);

/** The receiver whose points the proxy spoils on their way to InfluxDB: it answers 400 to the whole batch, for one line. */
export const SPOILED_RECEIVER = '666000666';
/**
 * In the week of this day another field type is in the bucket of what is received already: InfluxDB refuses some points, 422, and writes the
 * others. Everything else is earlier: a read over several weeks ends at the first in which the field has another type.
 */
export const CONFLICT_MS = Date.UTC(2015, 2, 4);

/** What InfluxDB refuses for good. */
export const refuses = (role: Role, event: TestEvent): boolean =>
  role === 'received' &&
  (event.receiverId === SPOILED_RECEIVER ||
    (event.occurredAt >= CONFLICT_MS && event.occurredAt < CONFLICT_MS + DAY_MS));

/** How InfluxDB refuses a point: all of the batch for its sake (400), or it alone (422). */
export type Refusal = 'spoiled' | 'conflict';

/** Pairs of event ids that want one place within a millisecond: neighbours 2n, 2n+1. */
const COLLIDING: readonly string[] = (() => {
  const bySlot = new Map<number, string>();
  const pairs: string[] = [];
  for (let n = 0; n < 20_000; n++) {
    const id = `collides-${n}`;
    const other = bySlot.get(slotOf(id));
    if (other === undefined) bySlot.set(slotOf(id), id);
    else {
      pairs.push(other, id);
      bySlot.delete(slotOf(id));
    }
  }
  return pairs;
})();

const BROKEN_FRAME = Buffer.from('\xf3\x89\x9a\xc2broken frame', 'latin1');

export interface TrafficOptions {
  readonly random: () => number;
  readonly oracle: Oracle;
  /** Share of records and sub-records that are no event, 0 to 1. */
  readonly poison: number;
  /** Sub-records of an aggregated record, at most. */
  readonly aggregated: number;
  /** Share of events in plain records, 0 to 1. */
  readonly plain: number;
  /** Share of events of which InfluxDB refuses a point. */
  readonly refused: number;
}

/**
 * Seeded traffic: plain and aggregated records mixed, events sent twice, bursts of one user in one millisecond, ids that share a prefix, ids
 * above 2^53, event ids that want the same place, events that InfluxDB refuses, and poison. What it makes the oracle is told.
 */
export class Traffic {
  readonly #o: TrafficOptions;
  readonly #recent: TestEvent[] = [];
  #serial = 0;
  #pair = 0;

  constructor(options: TrafficOptions) {
    this.#o = options;
  }

  /** Records with about so many events. */
  records(events: number): Buffer[] {
    const { random, oracle, plain, aggregated } = this.#o;
    const out: Buffer[] = [];
    let items: Buffer[] = [];
    let sizeOfNext = this.#between(1, aggregated);
    const flush = (): void => {
      if (items.length === 0) return;
      out.push(Buffer.from(aggregate(items.map((data, n) => ({ partitionKey: `key-${n % 7}`, data }))).data));
      items = [];
      sizeOfNext = this.#between(1, aggregated);
    };
    for (let made = 0; made < events;) {
      if (random() < this.#o.poison) {
        const data = this.#poison();
        oracle.poison(data);
        // A broken frame is a record of its own.
        if (data === BROKEN_FRAME || random() < 0.5) out.push(data);
        else items.push(data);
      }
      for (const event of this.#some()) {
        made++;
        oracle.event(event);
        if (random() < plain) out.push(bytesOf(event));
        else items.push(bytesOf(event));
        if (items.length >= sizeOfNext) flush();
      }
    }
    flush();
    return out;
  }

  /** Plain records of events of which InfluxDB refuses a point. */
  refused(which: Refusal, count: number): Buffer[] {
    return Array.from({ length: count }, () => {
      const event = this.#event(which);
      this.#o.oracle.event(event);
      return bytesOf(event);
    });
  }

  #some(): TestEvent[] {
    const { random } = this.#o;
    const kind = random();
    if (kind < 0.02) return this.#burst();
    if (kind < 0.03) return this.#colliding();
    if (kind < 0.05 && this.#recent.length > 0) return [this.#recent[this.#below(this.#recent.length)]!];
    const which = random() < 0.5 ? 'spoiled' : 'conflict';
    const event = random() < this.#o.refused ? this.#event(which) : this.#event();
    if (this.#recent.length < 2_000) this.#recent.push(event);
    else this.#recent[this.#below(this.#recent.length)] = event;
    return [event];
  }

  #event(refused?: Refusal): TestEvent {
    const { random } = this.#o;
    const n = this.#serial++;
    // One of the two at least: an event that nobody receives is none.
    const received = refused !== undefined || random() < 0.8;
    const shared = refused !== undefined || !received || random() < 0.4;
    const receiverId = {
      spoiled: SPOILED_RECEIVER,
      conflict: '777',
      none: String(9_007_199_254_740_993n + BigInt(this.#below(500))),
    }[refused ?? 'none'];
    return {
      eventId: `event-${n}`,
      type: ['like', 'reply', 'retweet', 'view'][this.#below(4)]!,
      occurredAt:
        refused === 'conflict'
          ? CONFLICT_MS + this.#below(DAY_MS)
          : START_MS + this.#below(3) * DAY_MS + ((n * 7) % DAY_MS),
      actorId: String(12_340_000 + this.#below(3_000)),
      ...(received ? { receiverId } : {}),
      ...(shared ? { shareId: (0x4ff3_0000n + BigInt(this.#below(900))).toString(16).padEnd(24, '7') } : {}),
    };
  }

  /** One user, one type, one millisecond. */
  #burst(): TestEvent[] {
    const base = this.#event();
    return Array.from({ length: this.#between(5, 40) }, () => ({
      ...this.#event(),
      type: base.type,
      actorId: base.actorId,
      occurredAt: base.occurredAt,
      shareId: 'abcdef0123456789abcdef01',
      ...(base.receiverId === undefined ? {} : { receiverId: base.receiverId }),
    }));
  }

  /** Two events that want one point in every bucket. */
  #colliding(): TestEvent[] {
    const pair = this.#pair++;
    const at = (pair * 2) % COLLIDING.length;
    const round = Math.floor((pair * 2) / COLLIDING.length);
    // An event id belongs to one event: the next round has none left.
    if (round > 0) return [this.#event()];
    return [at, at + 1].map((n) => ({
      eventId: COLLIDING[n]!,
      type: 'like',
      occurredAt: START_MS + pair,
      actorId: `1234${n}`,
      receiverId: `9007199254${n}`,
      shareId: `4ff300${String(n).padStart(18, '0')}`,
    }));
  }

  #poison(): Buffer {
    const valid = (fields: object): Buffer => Buffer.from(JSON.stringify({ ...this.#event(), ...fields }));
    switch (this.#below(7)) {
      case 0:
        return BROKEN_FRAME;
      case 1:
        return Buffer.from('{"eventId":');
      case 2:
        return Buffer.from([0xff, 0xfe, this.#below(256)]);
      case 3:
        return valid({ actorId: '9223372036854775808' });
      case 4:
        return valid({ occurredAt: Date.now() + 365 * DAY_MS });
      case 5:
        return valid({ type: 'LIKE' });
      default:
        return valid({ receiverId: undefined, shareId: undefined });
    }
  }

  #below(bound: number): number {
    return Math.floor(this.#o.random() * bound);
  }

  #between(low: number, high: number): number {
    return low + this.#below(high - low + 1);
  }
}
