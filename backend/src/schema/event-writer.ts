import type { IdKind } from '../../../contract/ids.ts';
import type { IdRole } from '../../../contract/roles.ts';
import type { InteractionEvent } from '../event/event.ts';
import {
  FIELD,
  formatOf,
  MEASUREMENT,
  pairSeparator,
  prefixOf,
  schemeOf,
  TOTAL_FIELD,
  type BucketRole,
  type Schema,
} from './buckets.ts';
import { partOf } from './identity.ts';
import type { LineBlock } from './line-block.ts';
import { SeriesMsHash } from './offsets.ts';
import { PAIR, PARTED, PREFIXED, TYPED, valueSyntax, type ValueSyntax } from './points.ts';

/** What a line has beside the event's own texts, rounded up. */
const MOST_SYNTAX = 192;

/**
 * Writes the points of events as line protocol straight into their blocks: the same bytes as renderLine of pointsOf, which a property test holds,
 * without a text for each series, for its fields, and for every joint in between. For ingest, which does it for every event.
 *
 * A point is written in two steps, because its offset depends on its series: {@link begin}, and {@link end} with the offset.
 */
export class EventWriter {
  readonly #schema: Schema;
  readonly #user: Written;
  readonly #share: Written;
  readonly #separator: string;
  /** Of the point that was begun. */
  readonly seriesMs = new SeriesMsHash();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The time that was written last, as it is written: nearly always that of the next point, too. */
  readonly #time = Buffer.alloc(TIME_BYTES);
  #timeMs = -1;
  #timeNs = -1;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#user = writtenOf('user', schema);
    this.#share = writtenOf('share', schema);
    this.#separator = pairSeparator(schema);
  }

  /** Writes the series of one of rolesOf, and knows its {@link seriesMs}. */
  begin(block: LineBlock, role: BucketRole, event: InteractionEvent): void {
    const { actorId, receiverId = this.#user.absent, shareId = this.#share.absent, type } = event;
    const length = type.length + 2 * (actorId.length + receiverId.length + shareId.length);
    const start = block.room(MOST_SYNTAX + length);
    this.#bytes = block.memory;
    this.#at = start;
    switch (role) {
      case 'made':
        this.#prefixed(role, actorId, type);
        break;
      case 'received':
        this.#prefixed(role, receiverId, type);
        break;
      case 'share':
        this.#prefixed(role, shareId, type);
        break;
      case 'total':
        if (event.occurredAtMs >= (this.#schema.totalsSplitFromMs ?? Infinity)) {
          this.#text(PARTED);
          this.#text(String(partOf(event.eventId)));
        } else this.#text(MEASUREMENT);
        this.#text(TYPED);
        this.#text(type);
        break;
      default:
        role satisfies never;
    }
    const { seriesMs } = this;
    seriesMs.begin(role);
    for (let at = start; at < this.#at; at++) seriesMs.unit(this.#bytes[at] ?? 0);
    seriesMs.end(event.occurredAtMs);
  }

  /**
   * Writes the fields and the time of the point that was begun.
   * @param offsetNs 0 to 999,999
   */
  end(block: LineBlock, role: BucketRole, event: InteractionEvent, offsetNs: number): void {
    const { actorId, receiverId = this.#user.absent, shareId = this.#share.absent, occurredAtMs } = event;
    switch (role) {
      case 'made':
        this.#value(MADE_FIELD, this.#user, actorId);
        this.#pair(actorId, receiverId);
        break;
      case 'received':
        this.#value(RECEIVED_FIELD, this.#user, receiverId);
        this.#pair(receiverId, actorId);
        break;
      case 'share':
        this.#value(SHARE_FIELD, this.#share, shareId);
        this.#pair(shareId, actorId);
        break;
      case 'total':
        this.#value(TOTAL_MADE, this.#user, actorId);
        this.#value(TOTAL_RECEIVED, this.#user, receiverId);
        this.#value(TOTAL_SHARE, this.#share, shareId);
        break;
      default:
        role satisfies never;
    }
    this.#text(' ');
    this.#timestamp(occurredAtMs, offsetNs);
    block.written(this.#at, occurredAtMs);
  }

  #prefixed(role: IdRole, id: string, type: string): void {
    this.#text(PREFIXED);
    const scheme = schemeOf(role, this.#schema);
    // As prefixOf, without a text of it.
    if (scheme.by === 'first') this.#part(id, 0, Math.min(scheme.length, id.length));
    else if (scheme.by === 'last') this.#part(id, Math.max(0, id.length - scheme.length), id.length);
    else this.#text(prefixOf(id, scheme));
    this.#text(TYPED);
    this.#text(type);
  }

  #value(field: string, { open, close }: Written, id: string): void {
    this.#text(field);
    this.#text(open);
    this.#text(id);
    this.#text(close);
  }

  #pair(id: string, counterpart: string): void {
    this.#text(PAIR);
    this.#text(id);
    this.#text(this.#separator);
    this.#text(counterpart);
    this.#text('"');
  }

  #text(text: string): void {
    this.#part(text, 0, text.length);
  }

  /** ASCII, as all our line protocol is; see pointsOf. */
  #part(text: string, from: number, to: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let unit = from; unit < to; unit++) bytes[at++] = text.charCodeAt(unit);
    this.#at = at;
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

const MADE_FIELD = ` ${FIELD.made}=`;
const RECEIVED_FIELD = ` ${FIELD.received}=`;
const SHARE_FIELD = ` ${FIELD.share}=`;
const TOTAL_MADE = ` ${TOTAL_FIELD.made}=`;
const TOTAL_RECEIVED = `,${TOTAL_FIELD.received}=`;
const TOTAL_SHARE = `,${TOTAL_FIELD.share}=`;

/** How the ids of a kind are written, and what stands in the place of one that an event does not have. */
type Written = ValueSyntax & { readonly absent: string };

const writtenOf = (kind: IdKind, schema: Schema): Written => ({
  ...valueSyntax(kind, schema),
  absent: formatOf(kind, schema).absent,
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
