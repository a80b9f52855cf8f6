import type { IdFormats } from '../../../contract/ids.ts';
import { problemText, quoted, type Problem } from '../../../contract/problem.ts';
import { readQuery, type QueryFields } from '../../../contract/query.ts';
import { idsProblem, typesProblem } from '../../../contract/rules.ts';
import { UserpulseError } from '../errors.ts';
import { unitOf } from '../event/hints.ts';
import { parseRfc3339 } from '../event/timestamp.ts';
import { MAX_TIME_MS, MIN_TIME_MS } from '../flux/literals.ts';
import type { AskedQuery } from './request.ts';

/** Checks of single parameters. Each throws UserpulseError `bad_request` with a message that says what to change. */
const bad = (message: string, hint: string): UserpulseError => badRequest({ message, hint });

export const badRequest = ({ message, hint }: Problem): UserpulseError =>
  new UserpulseError('bad_request', message, hint === undefined ? {} : { hint });

const NUMBER = /^-?\d{1,30}$/;

/** @returns epoch ms */
export function parseInstant(value: string | number, name: string): number {
  const text = typeof value === 'string' ? value.trim() : String(value);
  const ms = NUMBER.test(text) ? Number(text) : typeof value === 'string' ? parseRfc3339(text) : NaN;
  if (typeof ms === 'string' || Number.isNaN(ms))
    throw bad(
      `${name} ${quoted(text)} ${typeof ms === 'string' ? ms : 'is not a time'}.`,
      'Use RFC 3339 with an offset or whole milliseconds since 1970.',
    );
  const unit = NUMBER.test(text) ? unitOf(ms, MAX_TIME_MS) : undefined;
  if (unit === 'seconds' || unit === 'microseconds' || unit === 'nanoseconds')
    throw bad(
      `${name} ${text} ${unit === 'seconds' ? `is ${new Date(ms).toISOString().slice(0, 10)}` : 'is in a distant future'}.`,
      `Is it in ${unit}? Use whole milliseconds since 1970, or RFC 3339.`,
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

/** Form and content of a query's fields; durations and zones are read where they are used. */
export function parseQuery(asked: AskedQuery, ids: IdFormats): QueryFields {
  const { values, problems } = readQuery(asked);
  if (problems.size > 0) {
    const all = [...problems.values()];
    const shown = all.slice(0, MAX_SHOWN).map(problemText);
    throw new UserpulseError(
      'bad_request',
      all.length > shown.length ? `${shown.join(' ')} And ${all.length - shown.length} more.` : shown.join(' '),
    );
  }
  const { types, filters = [] } = values;
  const problem = idsProblem(values, ids) ?? typesProblem(types);
  if (problem !== undefined) throw badRequest(problem);
  if (filters.length > 0)
    throw bad(
      'The query carries ad-hoc filters, which only a dashboard applies.',
      'Write the types into the query, and remove the filters.',
    );
  return { ...values, ids: values.ids.filter((id) => id !== '') };
}

/** Problems of one query that are told at once. */
const MAX_SHOWN = 5;
