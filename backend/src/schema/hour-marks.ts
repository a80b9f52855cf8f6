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

/** Marks by their texts: those of a range are read again by everyone who asks about it. */
const known = new Map<string, Mark>();
/** A few hundred bytes each; then all of them are forgotten. */
const MOST_KNOWN = 20_000;

/** @returns undefined for a text that is no mark */
export function parseMark(text: string): Mark | undefined {
  const before = known.get(text);
  if (before !== undefined) return before;
  const [, hour, writer, turn, renewal, state] = MARK.exec(text) ?? [];
  if (hour === undefined || writer === undefined) return undefined;
  const mark = { hour: Number(hour), writer, turn: Number(turn), renewal: Number(renewal), open: state === 'open' };
  if (known.size === MOST_KNOWN) known.clear();
  known.set(text, mark);
  return mark;
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
