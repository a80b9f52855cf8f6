import { UserpulseError } from '../errors.ts';
import { parseRfc3339 } from '../event/timestamp.ts';
import { MAX_TIME_MS, MIN_TIME_MS } from '../flux/literals.ts';
import { isIdPreset, PRESET_TABLE, type SeriesPreset } from '../flux/presets.ts';
import type { IdPreset } from '../schema/buckets.ts';
import { MAX_IDS, MAX_SERIES, MAX_TOP } from './request.ts';

/** Checks of single parameters. Each throws UserpulseError `bad_request` with a message that says what to change. */
const bad = (message: string, hint: string): UserpulseError => new UserpulseError('bad_request', message, { hint });

const quoted = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** @returns epoch ms */
export function parseInstant(value: string | number, name: string): number {
  const text = typeof value === 'string' ? value.trim() : String(value);
  const ms = /^-?\d{1,30}$/.test(text) ? Number(text) : typeof value === 'string' ? parseRfc3339(text) : NaN;
  if (typeof ms === 'string' || Number.isNaN(ms))
    throw bad(
      `${name} ${quoted(text)} ${typeof ms === 'string' ? ms : 'is not a time'}.`,
      'Use RFC 3339 with an offset or whole milliseconds since 1970.',
    );
  if (ms < MIN_TIME_MS || ms > MAX_TIME_MS)
    throw bad(
      `${name} ${quoted(text)} is outside what InfluxDB can hold.`,
      'Use a time from 1678 to 2261; milliseconds, not nanoseconds.',
    );
  return ms;
}

export interface Range {
  /** Inclusive, epoch ms. */
  readonly fromMs: number;
  /** Exclusive, epoch ms. */
  readonly toMs: number;
}

export function parseRange(from: string | number, to: string | number): Range {
  const fromMs = parseInstant(from, 'from');
  const toMs = parseInstant(to, 'to');
  if (fromMs >= toMs)
    throw bad(
      `from (${new Date(fromMs).toISOString()}) is not before to (${new Date(toMs).toISOString()}).`,
      'Swap them, or widen the range: from is included, to is not.',
    );
  return { fromMs, toMs };
}

/** The member of a closed list that a text names. */
export function oneOf<T extends string>(list: readonly T[], value: string, name: string): T {
  const found = list.find((item) => item === value);
  if (found === undefined) throw bad(`${name} ${quoted(value)} is not known.`, `Use one of ${list.join(', ')}.`);
  return found;
}

const trimmed = (values: readonly string[]): string[] => [...new Set(values.map((value) => value.trim()))];

/** Ids of a preset: required, trimmed, each once; or none, where the preset has none. */
export function parseIds(preset: SeriesPreset, ids: readonly string[] | undefined): string[] {
  const list = trimmed(ids ?? []);
  if (!isIdPreset(preset)) {
    // An empty variable of a dashboard arrives as an empty string.
    if (list.some((id) => id !== ''))
      throw bad(`preset "${preset}" takes no ids.`, 'Leave ids out, or use preset made, received or share.');
    return [];
  }
  const kind = PRESET_TABLE[preset].id;
  if (list.length === 0)
    throw bad(
      `preset "${preset}" needs ids.`,
      `Give 1 to ${MAX_IDS}, each ${kind.what}, for example "${kind.example}".`,
    );
  if (list.length > MAX_IDS)
    throw bad(
      `${list.length} ids are more than the ${MAX_IDS} that one query may have.`,
      'Spread them over several queries.',
    );
  for (const id of list)
    if (!kind.valid(id))
      throw bad(
        `id ${quoted(id)} is not valid for preset "${preset}".`,
        `An id is ${kind.what}, for example "${kind.example}".`,
      );
  return list;
}

/** As docs/contract.md has it (Event). */
const TYPE = /^[a-z][a-z0-9_]{0,31}$/;

/** Types to keep, each once; empty means all. */
export function parseTypes(types: readonly string[] | undefined): string[] {
  const list = trimmed(types ?? []);
  for (const type of list)
    if (!TYPE.test(type))
      throw bad(
        `type ${quoted(type)} is not valid.`,
        'A type begins with a lowercase letter and has at most 32 of a-z, 0-9 and _, for example "like".',
      );
  if (list.length > MAX_SERIES)
    throw bad(`${list.length} types are more than ${MAX_SERIES}.`, 'Leave types empty for all of them.');
  return list;
}

const TOP_OF = ['made', 'received', 'share'] as const satisfies readonly IdPreset[];

export function parseTopOf(of: string | undefined): IdPreset {
  if (of === undefined) throw bad('preset "top" needs to know of what.', `Give of: ${TOP_OF.join(', ')}.`);
  return oneOf(TOP_OF, of, 'of');
}

export function parseTopCount(n: number | undefined): number {
  const count = n ?? 10;
  if (!Number.isInteger(count) || count < 1 || count > MAX_TOP)
    throw bad(`n ${count} is not valid.`, `Use a whole number from 1 to ${MAX_TOP}.`);
  return count;
}
