import type { Outgoing } from '../kinesis/entry.ts';
import { eventJson, type EventFields } from './event-json.ts';
import { authorRank, shareId, userId } from './population.ts';
import { seededRandom, weighted, zipf } from './random.ts';

export interface GeneratorOptions {
  /** Number of users, 2 to 10^9. */
  readonly users: number;
  readonly shares: number;
  /** Of weight 1, 1/2, 1/3, … in this order. */
  readonly types: readonly string[];
  /** Fraction of records that violate the contract, 0 to 1. */
  readonly invalid: number;
  /** Fraction of records that repeat an earlier event, 0 to 1. */
  readonly repeats: number;
  readonly seed: number;
  /** Start of the run in ms: part of the event ids, so that another run with the same seed makes other events. */
  readonly startMs: number;
}

/** A record with its event; of an invalid record, the event that it was made from. */
export interface Generated {
  readonly record: Outgoing;
  readonly fields: EventFields;
}

/** Interactions of a generated social network, without end: Zipf-distributed users and shares, a few events late. */
export class Generator {
  readonly #options: GeneratorOptions;
  readonly #random: () => number;
  readonly #actor: () => number;
  readonly #share: () => number;
  readonly #type: () => number;
  readonly #recent: Generated[] = [];
  #made = 0;
  #events = 0;

  constructor(options: GeneratorOptions) {
    const random = seededRandom(options.seed);
    this.#options = options;
    this.#random = random;
    // Exponents below 1 keep the busiest user at a percent or two of everything, as in real networks, whatever the number of users.
    this.#actor = zipf(options.users, 0.8, random);
    this.#share = zipf(options.shares, 0.9, random);
    this.#type = weighted(
      options.types.map((_type, index) => 1 / (index + 1)),
      random,
    );
  }

  /** The next record, with an event at `nowMs` or, for a few, earlier. */
  next(nowMs: number): Generated {
    const number = this.#made++;
    const { invalid, repeats } = this.#options;
    const kind = this.#random();
    if (kind < repeats && this.#recent.length > 0) {
      const earlier = this.#recent[Math.floor(this.#random() * this.#recent.length)];
      if (earlier !== undefined) return { ...earlier, record: { ...earlier.record, kind: 'repeat' } };
    }
    const fields = this.#fields(number, nowMs);
    if (kind >= 1 - invalid) {
      const breakage = BREAKAGES[number % BREAKAGES.length] ?? (() => '');
      return { record: { data: Buffer.from(breakage(fields)), partitionKey: fields.actorId, kind: 'invalid' }, fields };
    }
    const record: Outgoing = { data: Buffer.from(eventJson(fields)), partitionKey: fields.actorId, kind: 'event' };
    const generated: Generated = { record, fields };
    if (repeats > 0) this.#recent[this.#events++ % RECENT] = generated;
    return generated;
  }

  #fields(number: number, nowMs: number): EventFields {
    const { users, shares, seed, startMs } = this.#options;
    const random = this.#random;
    const actor = this.#actor();
    const type = this.#options.types[this.#type()] ?? 'like';
    let receiver: number | undefined;
    let share: string | undefined;
    const target = random();
    if (type === 'follow' || target < 0.15) {
      // Between two users. Receivers are as unequal as actors, but not the same users.
      receiver = 1 + ((this.#actor() * 7_919) % users);
    } else {
      const index = this.#share() - 1;
      share = shareId(index, shares, seed, startMs);
      // One producer in ten does not know the author of a share.
      if (target < 0.9) receiver = authorRank(index, users);
    }
    return {
      eventId: `${startMs.toString(36)}-${seed.toString(36)}-${number}`,
      type,
      occurredAtMs: nowMs - (random() < LATE_FRACTION ? Math.floor(-Math.log(1 - random()) * LATE_MEAN_MS) : 0),
      actorId: userId(actor),
      receiverId: receiver === undefined ? undefined : userId(receiver),
      shareId: share,
    };
  }
}

/** Events of phones that were offline: one in fifty, three minutes on average. */
const LATE_FRACTION = 0.02;
const LATE_MEAN_MS = 180_000;
/** Repeats are chosen from this many latest events. */
const RECENT = 1_000;

type Breakage = (fields: EventFields) => string;

const change =
  (edit: (fields: EventFields) => Partial<EventFields>): Breakage =>
  (fields) =>
    eventJson({ ...fields, ...edit(fields) });

/** Typical mistakes of producers, each violating one rule of the contract. All keep the event id, so that no two records are equal. */
const BREAKAGES: readonly Breakage[] = [
  (fields) => eventJson(fields).slice(0, -1),
  change(() => ({ actorId: '0' })),
  change(() => ({ shareId: '65B9F1C0AAAAAAAAAAAAAAAA' })),
  change(({ occurredAtMs }) => ({ occurredAtMs: Math.floor(occurredAtMs / 1000) })),
  change(({ occurredAtMs }) => ({ occurredAtMs: occurredAtMs + 366 * 86_400_000 })),
  change(() => ({ receiverId: undefined, shareId: undefined })),
  change(() => ({ actorId: '9223372036854775808' })),
  change(({ type }) => ({ type: type.toUpperCase() })),
  (fields) => `[${eventJson(fields)}]`,
  (fields) => eventJson(fields).replace('"actorId"', '"actor"'),
];
