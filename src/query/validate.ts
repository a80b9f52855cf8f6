import type { IdFormats } from '../../contract/ids.ts';
import { estimatedMs, readDuration } from '../../contract/duration.ts';
import { MAX_WINDOWS } from '../../contract/limits.ts';
import { askedIds, isTablePreset } from '../../contract/presets.ts';
import { problemText, type Problem } from '../../contract/problem.ts';
import { DEFAULT_TOP, isSingle, LABELS } from '../../contract/query.ts';
import { idCountProblem, idsApartProblem, idsProblem, typeCountProblem, typesProblem } from '../../contract/rules.ts';
import type { UserpulseQuery } from '../types.ts';

/** What is wrong, by the control it concerns, in the backend's words. Every text says what to do. */
export type Problems = Partial<Record<'ids' | 'types' | 'every' | 'compareTo' | 'legend', string>>;

/** True where a text holds a template variable, whose value is only known when the query runs. */
export type IsTemplate = (text: string) => boolean;

const LEGEND_FIELDS = ['id', 'to', 'type', 'compare', 'preset'];

/** The text of a problem, or undefined. */
const textOf = (problem: Problem | undefined): string | undefined => problem && problemText(problem);

/** `auto` is for windows only; an empty text is the caller's to judge. */
function durationProblem(text: string, name: string): string | undefined {
  const read = readDuration(text, name);
  return 'message' in read ? problemText(read) : undefined;
}

/** What is known besides the query. */
export interface Known {
  /** How ids are written; undefined where the backend has not said it. */
  readonly formats?: IdFormats | undefined;
  /** Length of the asked time range. */
  readonly rangeMs?: number | undefined;
  /** What the entries stand for with the values that variables have now: one variable may be a thousand ids. */
  readonly replaced?: Pick<UserpulseQuery, 'ids' | 'types'>;
}

/**
 * All that can be said about a query before it runs. How many values a variable gives is counted where they are known, but whether each is good is not
 * judged here; the backend judges everything again.
 */
export function validateQuery(query: UserpulseQuery, isTemplate: IsTemplate, known: Known = {}): Problems {
  const { formats, rangeMs, replaced: { ids, types } = query } = known;
  const problems: Problems = {};
  const set = (field: keyof Problems, text: string | undefined) => {
    if (text !== undefined) problems[field] = text;
  };
  set(
    'ids',
    textOf(
      idsProblem(query, formats, isTemplate) ?? idCountProblem(ids) ?? idsApartProblem(ids, query.groupBy ?? LABELS),
    ),
  );
  set('types', textOf(typesProblem(query.types, isTemplate) ?? typeCountProblem(types)));
  if (isTablePreset(query.preset)) return problems;
  if (query.every !== 'auto' && !isTemplate(query.every)) set('every', everyProblem(query, rangeMs));
  if (query.compareTo !== undefined && !isTemplate(query.compareTo))
    set('compareTo', durationProblem(query.compareTo, 'compareTo'));
  const unknown = [...(query.legend ?? '').matchAll(/\{\{\s*([^{}]*?)\s*\}\}/g)].find(
    ([, name]) => !LEGEND_FIELDS.includes(name ?? ''),
  );
  if (unknown) problems.legend = `{{${unknown[1] ?? ''}}} is not known. Use {{id}}, {{to}}, {{type}} and {{compare}}.`;
  return problems;
}

/** A question without its subject has no answer; any other problem is left to the backend, whose message the panel shows. */
export const isComplete = ({ preset, ids, of = DEFAULT_TOP.of }: UserpulseQuery): boolean =>
  askedIds(preset, of) === undefined || ids.length > 0;

export const isValid = (problems: Problems): boolean => Object.keys(problems).length === 0;

function everyProblem({ every, calc }: UserpulseQuery, rangeMs = 0): string | undefined {
  const read = readDuration(every, 'every');
  if ('message' in read) return problemText(read);
  const windows = Math.ceil(rangeMs / estimatedMs(read));
  return !isSingle(calc) && windows > MAX_WINDOWS
    ? `${windows.toLocaleString('en')} windows in this time range; at most ${MAX_WINDOWS.toLocaleString('en')} are drawn. Choose a longer window, or auto.`
    : undefined;
}
