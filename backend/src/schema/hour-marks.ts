import { createHash } from 'node:crypto';
import { murmur32 } from './murmur.ts';

/*
 * A mark says of an hour that its points are being written, in whichever bucket, or have been. It is a point of its own in the totals bucket, within the hour,
 * so that a range, a retention or a deletion that covers the hour's points covers it, too:
 *
 *   interaction_mark state="491208:k3j9x2a17q:0:4:open" 1768348800001234567
 *                           hour   writer     turn renewal
 *
 * Each turn has a point of its own, which is open first and done at last. A write that InfluxDB carries out late, after its sender gave it up,
 * can therefore only open again what is done, never hide that somebody is at it.
 */

export const MARK_MEASUREMENT = 'interaction_mark';
export const MARK_FIELD = 'state';

export const HOUR_MS = 3_600_000;
const HOUR_NS = 3_600_000_000_000n;

/** Hours since 1970, UTC. */
export type Hour = number;

export const hourOf = (ms: number): Hour => Math.floor(ms / HOUR_MS);

export interface Mark {
  readonly hour: Hour;
  /** Of one life of one process: letters and digits. */
  readonly writer: string;
  /** How often the writer has turned to the hour anew, from 0. */
  readonly turn: number;
  /** Rises while the writer is at it, so that others see that it lives. */
  readonly renewal: number;
  /** Whether points of the hour may still come from the writer. */
  readonly open: boolean;
}

const markText = ({ hour, writer, turn, renewal, open }: Mark): string =>
  `${hour}:${writer}:${turn}:${renewal}:${open ? 'open' : 'done'}`;

const MARK = /^(\d{1,8}):([0-9a-z]{1,32}):(\d{1,15}):(\d{1,15}):(open|done)$/;

/** Marks by the hash of their texts: those of a range are read again by everyone who asks about it. */
const known = new Map<number, { readonly text: Uint8Array; readonly mark: Mark }>();
/** A few hundred bytes each; then all of them are forgotten. */
const MOST_KNOWN = 20_000;
const decoder = new TextDecoder();

/**
 * A mark as it was read, from `from` to before `to`. The same text gives the same object, most often.
 * @returns undefined where it is none
 */
export function readMark(bytes: Uint8Array, from: number, to: number): Mark | undefined {
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  const before = known.get(hash);
  if (before !== undefined && isAt(before.text, bytes, from, to)) return before.mark;
  // Another's bytes, and `slice` of a Buffer is no copy.
  const text = new Uint8Array(bytes.subarray(from, to));
  const mark = parseMark(decoder.decode(text));
  if (mark === undefined) return undefined;
  if (known.size === MOST_KNOWN) known.clear();
  known.set(hash, { text, mark });
  return mark;
}

/** Whether a text lies from `from` to before `to`. */
function isAt(text: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let at = 0; at < text.length; at++) if (text[at] !== bytes[from + at]) return false;
  return true;
}

/** @returns undefined for a text that is no mark */
export function parseMark(text: string): Mark | undefined {
  const [, hour, writer, turn, renewal, state] = MARK.exec(text) ?? [];
  if (hour === undefined || writer === undefined) return undefined;
  return { hour: Number(hour), writer, turn: Number(turn), renewal: Number(renewal), open: state === 'open' };
}

/**
 * Line protocol. The nanosecond within the hour is derived from writer and turn: there are 3.6 · 10¹², so that two do not meet on one, and no
 * tag is needed, of which there would be as many values as processes.
 */
export function markLine(mark: Mark): string {
  const key = `${mark.writer}.${mark.turn}`;
  const within = ((BigInt(murmur32(key)) << 32n) | BigInt(murmur32(`${key}.`))) % HOUR_NS;
  return `${MARK_MEASUREMENT} ${MARK_FIELD}="${markText(mark)}" ${BigInt(mark.hour) * HOUR_NS + within}`;
}

/** Marks by hour. */
export type Marks = ReadonlyMap<Hour, readonly Mark[]>;

export function marksByHour(marks: Iterable<Mark>): Marks {
  const byHour = new Map<Hour, Mark[]>();
  for (const mark of marks) {
    const known = byHour.get(mark.hour);
    if (known === undefined) byHour.set(mark.hour, [mark]);
    else known.push(mark);
  }
  return byHour;
}

/**
 * Names what has been written to an hour: it changes whenever a writer turns to the hour. Undefined while anyone may still write to it, and where
 * nobody has said that he did.
 */
export function sealOf(marks: readonly Mark[] | undefined): string | undefined {
  const turns = turnsOf(marks);
  return turns === undefined ? undefined : sealOfTurns(turns);
}

/** @param turns of {@link turnsOf} */
export const sealOfTurns = (turns: string): string => createHash('sha256').update(turns).digest('hex').slice(0, 24);

/** What {@link sealOf} is a hash of: all turns of an hour, each of which has ended. */
export function turnsOf(marks: readonly Mark[] | undefined): string | undefined {
  if (marks === undefined || marks.length === 0 || marks.some(({ open }) => open)) return undefined;
  return marks
    .map(({ writer, turn }) => `${writer}.${turn}`)
    .sort()
    .join(' ');
}
