/**
 * What the stores must hold for what was put on the stream, computed from the contract alone and with none of ingest's code: an error there
 * cannot hide itself here.
 */
export interface TestEvent {
  readonly eventId: string;
  readonly type: string;
  /** ms */
  readonly occurredAt: number;
  readonly actorId: string;
  readonly receiverId?: string;
  readonly shareId?: string;
}

export type Role = 'made' | 'received' | 'share' | 'total';
export const ROLES: readonly Role[] = ['made', 'received', 'share', 'total'];

/** One field of one point. */
export interface PointField {
  readonly type: string;
  /** Value of the tag `prefix`; empty in `total`, which has none. */
  readonly prefix: string;
  /** Its name. */
  readonly field: string;
  readonly value: string;
  /** Time: ms, and ns within it. */
  readonly ms: number;
  readonly offsetNs: number;
}

/** What is there and should not be, and the other way round. */
export interface Difference {
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
}

export const NO_DIFFERENCE: Difference = { missing: [], surplus: [] };

export const bytesOf = (event: TestEvent): Buffer => Buffer.from(JSON.stringify(event));

export class Oracle {
  /** Each sending; an event that was sent twice is in it twice. */
  readonly #sent: TestEvent[] = [];
  readonly #events = new Map<string, TestEvent>();
  readonly #rejected: Buffer[] = [];
  /** Whether InfluxDB refuses this event's point for good: it becomes a dead letter, and its other points stay. */
  refuses: (role: Role, event: TestEvent) => boolean = () => false;

  event(event: TestEvent): void {
    this.#sent.push(event);
    this.#events.set(event.eventId, event);
  }

  /** A record, or a sub-record, that is no event. */
  poison(data: Buffer): void {
    this.#rejected.push(data);
  }

  /** Everything that was put for another oracle was put for this one too. */
  include(other: Oracle): void {
    for (const event of other.#sent) this.event(event);
    this.#rejected.push(...other.#rejected);
  }

  /** Different events. */
  get events(): number {
    return this.#events.size;
  }

  /** Lines and dead letters together: one for each record or sub-record. */
  get sent(): number {
    return this.#sent.length + this.#rejected.length;
  }

  /** Records and sub-records that are no event. */
  get poisoned(): number {
    return this.#rejected.length;
  }

  /** Fields of all points of a bucket. Events sent twice are one. */
  *points(role: Role): Generator<PointField> {
    for (const event of this.#events.values()) {
      if (!this.refuses(role, event)) yield* pointFields(role, event);
    }
  }

  *lines(): Generator<string> {
    for (const event of this.#sent) if (!this.#isRefused(event)) yield JSON.stringify(event);
  }

  /** Base64 of what each dead letter holds. */
  *letters(): Generator<string> {
    for (const data of this.#rejected) yield data.toString('base64');
    for (const event of this.#sent) if (this.#isRefused(event)) yield bytesOf(event).toString('base64');
  }

  /** Contents, down to the nanosecond: a point may leave the place that its event id gives it only where another event wants the same. */
  async comparePoints(role: Role, stored: AsyncIterable<PointField> | Iterable<PointField>): Promise<Difference> {
    const { missing, surplus } = await multisetDifference(map(this.points(role), keyOf), map(stored, keyOf));
    if (missing.length === 0) return { missing, surplus };
    // An event has one place, however many fields its point has.
    const place = (text: string): string => {
      const [type = '', prefix = '', , , ms = '', offsetNs = ''] = text.split(' ');
      return `${type} ${prefix} ${ms} ${offsetNs}`;
    };
    const wanted = new Map(missing.map((text) => [place(text), 0]));
    for (const event of this.#events.values()) {
      const [point] = this.refuses(role, event) ? [] : pointFields(role, event);
      if (point === undefined) continue;
      const at = place(keyOf(point));
      const before = wanted.get(at);
      if (before !== undefined) wanted.set(at, before + 1);
    }
    const relocated = new Map<string, string[]>();
    for (const text of surplus) {
      const without = text.slice(0, text.lastIndexOf(' '));
      relocated.set(without, [...(relocated.get(without) ?? []), text]);
    }
    const accepted = new Set<string>();
    const lost = missing.filter((text) => {
      const elsewhere = relocated.get(text.slice(0, text.lastIndexOf(' ')))?.pop();
      if (elsewhere === undefined || (wanted.get(place(text)) ?? 0) < 2) return true;
      accepted.add(elsewhere);
      return false;
    });
    return { missing: lost, surplus: surplus.filter((text) => !accepted.has(text)) };
  }

  /** The events that a difference is about: their points, their line, or their dead letter. */
  eventsOf(difference: string): TestEvent[] {
    const found: TestEvent[] = [];
    for (const event of this.#events.values()) {
      const texts = ROLES.flatMap((role) => [...pointFields(role, event)].map(keyOf));
      const line = JSON.stringify(event);
      if (texts.includes(difference) || line === difference || Buffer.from(line).toString('base64') === difference) {
        found.push(event);
      }
    }
    return found;
  }

  compareLines(stored: AsyncIterable<string> | Iterable<string>): Promise<Difference> {
    return multisetDifference(this.lines(), stored);
  }

  /** @param stored base64 of what each dead letter holds */
  compareLetters(stored: AsyncIterable<string> | Iterable<string>): Promise<Difference> {
    return multisetDifference(this.letters(), stored);
  }

  #isRefused(event: TestEvent): boolean {
    return ROLES.some((role) => this.refuses(role, event));
  }
}

const keyOf = (p: PointField): string => `${p.type} ${p.prefix} ${p.field} ${p.value} ${p.ms} ${p.offsetNs}`;

function* pointFields(role: Role, event: TestEvent): Generator<PointField> {
  const { type, occurredAt: ms, actorId, receiverId, shareId } = event;
  const offsetNs = slotOf(event.eventId);
  if (role === 'total') {
    // The contract: a total has all three fields, whatever ids the event has.
    for (const [field, value] of Object.entries({
      made: actorId,
      received: receiverId ?? '0',
      share: shareId ?? '-',
    })) {
      yield { type, prefix: '', field, value, ms, offsetNs };
    }
    return;
  }
  const id = role === 'made' ? actorId : role === 'received' ? receiverId : shareId;
  if (id === undefined) return;
  // The contract: beside the id stands who is at the other end, 0 where something was made to a share alone.
  const other = role === 'made' ? (receiverId ?? '0') : actorId;
  const point = { type, prefix: id.slice(0, role === 'share' ? 6 : 4), ms, offsetNs };
  yield { ...point, field: role === 'share' ? 'share' : 'user', value: id };
  yield { ...point, field: 'pair', value: `${id}:${other}` };
}

/** Sub-millisecond digits by the contract: MurmurHash3_x86_32 with seed 0 of the id's UTF-8 bytes, modulo 10^6. */
export function slotOf(eventId: string): number {
  const bytes = Buffer.from(eventId, 'utf8');
  const scramble = (k: number): number => {
    const multiplied = Math.imul(k, 0xcc9e2d51);
    return Math.imul((multiplied << 15) | (multiplied >>> 17), 0x1b873593);
  };
  let hash = 0;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) {
    hash ^= scramble(bytes.readInt32LE(at));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= whole; at--) tail = (tail << 8) | (bytes[at] ?? 0);
  hash ^= scramble(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % 1_000_000;
}

/** Differences of two multisets of texts; each text as often as it is missing or too many, sorted. */
async function multisetDifference(
  expected: AsyncIterable<string> | Iterable<string>,
  stored: AsyncIterable<string> | Iterable<string>,
): Promise<Difference> {
  const counts = new Map<string, number>();
  for await (const text of expected) counts.set(text, (counts.get(text) ?? 0) + 1);
  for await (const text of stored) {
    const left = (counts.get(text) ?? 0) - 1;
    if (left === 0) counts.delete(text);
    else counts.set(text, left);
  }
  const missing: string[] = [];
  const surplus: string[] = [];
  for (const [text, count] of counts) {
    for (let n = Math.abs(count); n > 0; n--) (count > 0 ? missing : surplus).push(text);
  }
  return { missing: missing.sort(), surplus: surplus.sort() };
}

async function* map<A, B>(items: AsyncIterable<A> | Iterable<A>, change: (item: A) => B): AsyncGenerator<B> {
  for await (const item of items) yield change(item);
}
