import type { UserpulseQuery } from '../types.ts';
import { durationMs } from './duration.ts';
import { isIdPreset, MAX_IDS, MAX_TOP, MAX_WINDOWS } from './limits.ts';

/** What is wrong, by the control it concerns. Every text says what to do. */
export type Problems = Partial<Record<'ids' | 'types' | 'every' | 'compareTo' | 'n' | 'legend', string>>;

/** True where a text holds a template variable, whose value is only known when the query runs. */
export type IsTemplate = (text: string) => boolean;

const MAX_USER_ID = 2n ** 63n - 1n;
const LEGEND_FIELDS = ['id', 'type', 'compare', 'preset'];

const VARIABLE = /\$\w|\$\{|\[\[/;

/** Variables that have a value are not judged; what looks like one and has none is a slip of the pen, or a query moved to Explore. */
const unknownVariable = (text: string): string =>
  `There is no variable ${shorten(text)} here. Create it in the dashboard’s settings, or write a value.`;

/** Undefined when `id` can be a user's. Length is bounded before BigInt sees it. */
export function userIdProblem(id: string): string | undefined {
  if (VARIABLE.test(id)) return unknownVariable(id);
  if (!/^\d+$/.test(id)) return `"${shorten(id)}" is no user id: user ids are whole numbers such as 88.`;
  if (id.startsWith('0')) return `"${shorten(id)}" is no user id: write it without leading zeros, and above 0.`;
  if (id.length > 19 || BigInt(id) > MAX_USER_ID)
    return `"${shorten(id)}" is too large: user ids end at ${MAX_USER_ID.toString()}.`;
  return undefined;
}

/** Undefined when `id` can be a share's. */
export function shareIdProblem(id: string): string | undefined {
  if (/^[0-9a-f]{24}$/.test(id)) return undefined;
  if (VARIABLE.test(id)) return unknownVariable(id);
  if (/^[0-9a-fA-F]{24}$/.test(id)) return `"${id}": write share ids in lower case.`;
  if (/^[0-9a-f]+$/.test(id)) return `"${shorten(id)}" has ${id.length} characters: share ids have 24 (0–9, a–f).`;
  return `"${shorten(id)}" is no share id: share ids have 24 characters of 0–9 and a–f.`;
}

export function typeProblem(type: string): string | undefined {
  if (VARIABLE.test(type)) return unknownVariable(type);
  return /^[a-z][a-z0-9_]{0,31}$/.test(type)
    ? undefined
    : `"${shorten(type)}" is no interaction type: types begin with a–z and have up to 32 of a–z, 0–9 and _.`;
}

/** `auto` is for windows only; an empty text is the caller's to judge. */
export function durationProblem(text: string, example: string): string | undefined {
  if (VARIABLE.test(text)) return unknownVariable(text);
  const ms = durationMs(text);
  if (ms === undefined) return `"${shorten(text)}" is no duration. Try ${example} (units s, m, h, d, w, mo, y).`;
  if (ms <= 0) return `A duration must be longer than zero: ${example}.`;
  const withMonths = /\d(mo|y)/.test(text);
  if (withMonths && /\d(ns|us|µs|ms|s|m(?!o)|h|d|w)/.test(text))
    return `"${shorten(text)}" mixes months or years with other units. Use one or the other.`;
  if (!withMonths && !Number.isInteger(ms)) return `"${shorten(text)}" is no whole number of milliseconds.`;
  return undefined;
}

/**
 * All that can be said about a query before it runs. `rangeMs` is the length of the asked time range where known.
 * What a variable will give is not judged here; the backend judges everything again.
 */
export function validateQuery(query: UserpulseQuery, isTemplate: IsTemplate, rangeMs?: number): Problems {
  const problems: Problems = {};
  const known = (list: readonly string[]) => list.filter((entry) => !isTemplate(entry));

  if (isIdPreset(query.preset)) {
    const share = query.preset === 'share';
    if (query.ids.length === 0) {
      problems.ids = share
        ? 'Enter a share id: 24 characters of 0–9 and a–f, or a variable such as $share.'
        : 'Enter a user id, for example 88, or a variable such as $user.';
    } else {
      const wrong = first(known(query.ids), share ? shareIdProblem : userIdProblem);
      if (wrong !== undefined) problems.ids = wrong;
      else if (query.ids.length > MAX_IDS)
        problems.ids = `At most ${MAX_IDS} ids fit in one query; here are ${query.ids.length}.`;
    }
  }

  const wrongType = first(known(query.types), typeProblem);
  if (wrongType !== undefined) problems.types = wrongType;

  if (query.preset === 'top') {
    const n = query.n ?? 0;
    if (!Number.isInteger(n) || n < 1 || n > MAX_TOP) problems.n = `Enter a whole number from 1 to ${MAX_TOP}.`;
    return problems;
  }

  if (query.every !== 'auto' && !isTemplate(query.every)) {
    const wrong = durationProblem(query.every, '10m, 1h or 1d');
    if (wrong !== undefined) problems.every = wrong;
    else {
      const windows = Math.ceil((rangeMs ?? 0) / (durationMs(query.every) ?? Infinity));
      if (query.calc !== 'total' && windows > MAX_WINDOWS)
        problems.every = `${windows.toLocaleString('en')} windows in this time range; at most ${MAX_WINDOWS.toLocaleString('en')} are drawn. Choose a longer window, or auto.`;
    }
  }
  if (query.compareTo !== undefined && !isTemplate(query.compareTo)) {
    const wrong = durationProblem(query.compareTo, '1d, 1w or 1mo');
    if (wrong !== undefined) problems.compareTo = wrong;
  }
  const unknown = [...(query.legend ?? '').matchAll(/\{\{\s*([^{}]*?)\s*\}\}/g)].find(
    ([, name]) => !LEGEND_FIELDS.includes(name ?? ''),
  );
  if (unknown) problems.legend = `{{${unknown[1] ?? ''}}} is not known. Use {{id}}, {{type}} and {{compare}}.`;
  return problems;
}

/** A question without its subject has no answer; any other problem is left to the backend, whose message the panel shows. */
export const isComplete = (query: UserpulseQuery): boolean => !isIdPreset(query.preset) || query.ids.length > 0;

export const isValid = (problems: Problems): boolean => Object.keys(problems).length === 0;

function first(list: readonly string[], rule: (text: string) => string | undefined): string | undefined {
  for (const entry of list) {
    const problem = rule(entry);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Long input is cut, so that a message stays readable. */
const shorten = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
