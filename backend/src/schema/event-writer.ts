import type { PrefixScheme } from '../../../contract/prefix.ts';
import { ROLES, type IdRole } from '../../../contract/roles.ts';
import type { InteractionEvent } from '../event/event.ts';
import {
  FIELD,
  formatOf,
  MEASUREMENT,
  ofRole,
  pairSeparator,
  prefixOf,
  schemeOf,
  TOTAL_FIELD,
  type BucketRole,
  type Schema,
} from './buckets.ts';
import { partOf } from './identity.ts';
import type { LineBlock } from './line-block.ts';
import { hashedUnit, seriesBegun, SeriesMsHash, type SeriesBegun } from './offsets.ts';
import { PAIR, PARTED, PREFIXED, TYPED, valueSyntax } from './points.ts';

/** What a line has beside the event's own texts, rounded up. */
const MOST_SYNTAX = 192;

/**
 * Writes the points of events as line protocol straight into their blocks: the same bytes as renderLine of pointsOf, which a property test holds,
 * without a text for each series, for its fields, and for every joint in between. For ingest, which does it for every event.
 *
 * A point is written in two steps, because its offset depends on its series: {@link begin}, and {@link end} with the offset. An event's points may
 * all be begun before the first of them is ended, because each role has a block of its own.
 */
export class EventWriter {
  readonly #schema: Schema;
  /** What stands in the place of an id that an event does not have. */
  readonly #noUser: string;
  readonly #noShare: string;
  readonly #lanes: Readonly<Record<BucketRole, Lane>>;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Of the series that is being written: its hash so far. */
  #half0 = 0;
  #half1 = 0;
  /** The time that was written last, as it is written: nearly always that of the next point, too. */
  readonly #time = Buffer.alloc(TIME_BYTES);
  #timeMs = -1;
  #timeNs = -1;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#noUser = formatOf('user', schema).absent;
    this.#noShare = formatOf('share', schema).absent;
    this.#lanes = {
      made: laneOf('made', schema),
      received: laneOf('received', schema),
      share: laneOf('share', schema),
      total: laneOfTotals(schema),
    };
  }

  /** Writes the series of one of rolesOf, and knows its {@link seriesMs}. */
  begin(block: LineBlock, role: BucketRole, event: InteractionEvent): void {
    const { actorId, receiverId = this.#noUser, shareId = this.#noShare, type, occurredAtMs } = event;
    const length = type.length + 2 * (actorId.length + receiverId.length + shareId.length);
    this.#at = block.room(MOST_SYNTAX + length);
    this.#bytes = block.memory;
    const lane = ofRole(this.#lanes, role);
    this.#syntax(lane.head);
    this.#half0 = lane.headHash.half0;
    this.#half1 = lane.headHash.half1;
    switch (role) {
      case 'made':
        this.#prefix(lane, actorId);
        break;
      case 'received':
        this.#prefix(lane, receiverId);
        break;
      case 'share':
        this.#prefix(lane, shareId);
        break;
      case 'total':
        if (occurredAtMs >= (this.#schema.totalsSplitFromMs ?? Infinity)) {
          this.#hashed(PARTED, MEASUREMENT.length, PARTED.length);
          const part = String(partOf(event.eventId));
          this.#hashed(part, 0, part.length);
        }
        break;
      default:
        role satisfies never;
    }
    this.#hashed(TYPED, 0, TYPED.length);
    this.#hashed(type, 0, type.length);
    lane.at = this.#at;
    lane.seriesMs.of(this.#half0, this.#half1, occurredAtMs);
  }

  /** Of the role's point that was begun. */
  seriesMs(role: BucketRole): SeriesMsHash {
    return ofRole(this.#lanes, role).seriesMs;
  }

  /**
   * Writes the fields and the time of the point that was begun.
   * @param offsetNs 0 to 999,999
   */
  end(block: LineBlock, role: BucketRole, event: InteractionEvent, offsetNs: number): void {
    const { actorId, receiverId = this.#noUser, shareId = this.#noShare, occurredAtMs } = event;
    const lane = ofRole(this.#lanes, role);
    this.#bytes = block.memory;
    this.#at = lane.at;
    switch (role) {
      case 'made':
        this.#fields(lane, actorId, actorId, receiverId);
        break;
      case 'received':
        this.#fields(lane, receiverId, receiverId, actorId);
        break;
      case 'share':
        this.#fields(lane, shareId, shareId, actorId);
        break;
      case 'total':
        this.#fields(lane, actorId, receiverId, shareId);
        break;
      default:
        role satisfies never;
    }
    this.#timestamp(occurredAtMs, offsetNs);
    block.written(this.#at, occurredAtMs);
  }

  /** As prefixOf, without a text of it. */
  #prefix({ scheme }: Lane, id: string): void {
    if (scheme.by === 'first') this.#hashed(id, 0, Math.min(scheme.length, id.length));
    else if (scheme.by === 'last') this.#hashed(id, Math.max(0, id.length - scheme.length), id.length);
    else {
      const prefix = prefixOf(id, scheme);
      this.#hashed(prefix, 0, prefix.length);
    }
  }

  #fields({ syntax: [before, between, then, behind] }: Lane, first: string, second: string, third: string): void {
    this.#syntax(before);
    this.#text(first);
    this.#syntax(between);
    this.#text(second);
    this.#syntax(then);
    this.#text(third);
    this.#syntax(behind);
  }

  #syntax(syntax: Uint8Array): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let n = 0; n < syntax.length; n++) bytes[at++] = syntax[n] ?? 0;
    this.#at = at;
  }

  /** ASCII, as all our line protocol is; see pointsOf. */
  #text(text: string): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let unit = 0; unit < text.length; unit++) bytes[at++] = text.charCodeAt(unit);
    this.#at = at;
  }

  /** As {@link #text} of a part of a text, which is of the series. */
  #hashed(text: string, from: number, to: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let half0 = this.#half0;
    let half1 = this.#half1;
    for (let unit = from; unit < to; unit++) {
      const byte = text.charCodeAt(unit);
      bytes[at++] = byte;
      half0 = hashedUnit(half0, byte);
      half1 = hashedUnit(half1, byte);
    }
    this.#at = at;
    this.#half0 = half0;
    this.#half1 = half1;
  }

  #timestamp(ms: number, offsetNs: number): void {
    if (ms < LEAST_MS || ms > MOST_MS) {
      this.#text(`${ms}${String(offsetNs).padStart(6, '0')}`);
      return;
    }
    if (ms !== this.#timeMs) writeDigits(this.#time, 0, 13, ms);
    if (offsetNs !== this.#timeNs) writeDigits(this.#time, 13, 6, offsetNs);
    this.#timeMs = ms;
    this.#timeNs = offsetNs;
    for (let digit = 0; digit < TIME_BYTES; digit++) this.#bytes[this.#at + digit] = this.#time[digit] ?? 0;
    this.#at += TIME_BYTES;
  }
}

/** How the points of a role are written, and the one that was begun. */
interface Lane {
  /** What every series of the role begins with. */
  readonly head: Uint8Array;
  readonly headHash: SeriesBegun;
  readonly scheme: PrefixScheme;
  /** Before, between and behind the three ids in its fields. */
  readonly syntax: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  /** Behind the series of the point that was begun. */
  at: number;
  readonly seriesMs: SeriesMsHash;
}

function laneOf(role: IdRole, schema: Schema): Lane {
  const { open, close } = valueSyntax(ROLES[role].ids, schema);
  return {
    ...begunBy(role, PREFIXED),
    scheme: schemeOf(role, schema),
    syntax: [
      Buffer.from(` ${FIELD[role]}=${open}`),
      Buffer.from(`${close}${PAIR}`),
      Buffer.from(pairSeparator(schema)),
      Buffer.from('" '),
    ],
  };
}

function laneOfTotals(schema: Schema): Lane {
  const user = valueSyntax('user', schema);
  const share = valueSyntax('share', schema);
  return {
    ...begunBy('total', MEASUREMENT),
    scheme: NO_SCHEME,
    syntax: [
      Buffer.from(` ${TOTAL_FIELD.made}=${user.open}`),
      Buffer.from(`${user.close},${TOTAL_FIELD.received}=${user.open}`),
      Buffer.from(`${user.close},${TOTAL_FIELD.share}=${share.open}`),
      Buffer.from(`${share.close} `),
    ],
  };
}

/** Totals have no prefix. */
const NO_SCHEME: PrefixScheme = { by: 'first', length: 0 };

const begunBy = (role: BucketRole, head: string): Pick<Lane, 'head' | 'headHash' | 'at' | 'seriesMs'> => ({
  head: Buffer.from(head),
  headHash: seriesBegun(role, head),
  at: 0,
  seriesMs: new SeriesMsHash(),
});

/** Milliseconds with thirteen digits, from 2001 to 2286, and six more of nanoseconds. */
const TIME_BYTES = 19;
const LEAST_MS = 1_000_000_000_000;
const MOST_MS = 9_999_999_999_999;

function writeDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let digit = at + digits - 1; digit >= at; digit--) {
    const tens = Math.floor(rest / 10);
    bytes[digit] = 0x30 + rest - tens * 10;
    rest = tens;
  }
}
