import type { ScopedVars, TimeRange } from '@grafana/data';
import type { UserpulseQuery } from '../types.ts';

/** Grafana's `templateSrv.replace` with the variables in scope bound: `format` gets a variable's value, one or several. */
export type Replace = (text: string, format?: (value: unknown) => string) => string;

// Two characters of the private use area enclose a variable's values while they pass through Grafana's text replacement.
const OPEN = '\uE000';
const CLOSE = '\uE001';
const MARKS = /[\uE000\uE001]/g;

/** Ids and types are separated by commas or white space wherever people type several; neither can contain one. */
export const splitList = (text: string): string[] => text.split(/[\s,;]+/).filter((part) => part !== '');

/** What stands for "all types" when a variable's custom "All" value gives it. */
const ALL = new Set(['*', '.*', '.+', '$__all']);

const valuesOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value])
    .filter((v) => v !== null && v !== undefined)
    .map((v) => String(v).replace(MARKS, ''));

const enclose = (value: unknown): string => `${OPEN}${JSON.stringify(valuesOf(value))}${CLOSE}`;

function parseEnclosed(json: string): string[] {
  const parsed: unknown = JSON.parse(json);
  return Array.isArray(parsed) ? parsed.map(String) : [];
}

/**
 * The members that one entry stands for. Without a variable it is one member, whatever it holds: alerts and public dashboards, which replace
 * nothing, read it as that too.
 */
function membersOf(entry: string, replace: Replace): readonly string[] {
  const replaced = replace(entry.replace(MARKS, ''), enclose);
  if (replaced === entry) return [entry.trim()];
  const pieces = replaced.split(/(\uE000[^\uE001]*\uE001)/);
  const choices = pieces.reduce<string[]>(
    (soFar, piece) => {
      const rights = piece.startsWith(OPEN) ? parseEnclosed(piece.slice(1, -1)) : [piece];
      return soFar.flatMap((left) => rights.map((right) => left + right));
    },
    [''],
  );
  return choices.flatMap(splitList);
}

/**
 * The set that a list of entries stands for. A variable with several values gives several members, never the text `{a,b}`;
 * text around a variable goes to each of its values; explicit formats such as `${user:csv}` work too. Order is kept, each
 * member comes once.
 */
export const expandSet = (entries: readonly string[], replace: Replace): string[] => [
  ...new Set(entries.flatMap((entry) => membersOf(entry, replace))),
];

/** As {@link expandSet}; a variable whose "All" is written `*` or `.*` means all types, that is the empty list. */
export function expandTypes(entries: readonly string[], replace: Replace): string[] {
  const members = entries.map((entry) => ({ entry, types: membersOf(entry, replace) }));
  const all = members.some(({ entry, types }) => types.some((type) => type !== entry.trim() && ALL.has(type)));
  return all ? [] : [...new Set(members.flatMap(({ types }) => types))];
}

/** A duration with its variables replaced. A bare number that a variable gives, as `$__interval_ms` does, is milliseconds. */
export function expandDuration(text: string, replace: Replace): string {
  const duration = replace(text, (value) => valuesOf(value)[0] ?? '').trim();
  return duration !== text.trim() && /^\d+$/.test(duration) ? `${duration}ms` : duration;
}

/**
 * A query without variables, as the backend takes it. Preset and calculation take none; the legend keeps its braces. What is wrong stays as it
 * is: the backend refuses it.
 * @param meansAll whether an entry of `types` is a variable that stands for all types
 */
export function interpolateQuery(
  query: UserpulseQuery,
  replace: Replace,
  meansAll: (entry: string) => boolean = () => false,
): UserpulseQuery {
  const { compareTo: compareText = '', ...rest } = query;
  const compareTo = expandDuration(compareText, replace);
  return {
    ...rest,
    ids: expandSet(query.ids, replace),
    types: query.types.some(meansAll) ? [] : expandTypes(query.types, replace),
    every: expandDuration(query.every, replace) || 'auto',
    ...(compareTo !== '' && { compareTo }),
    ...(query.legend !== undefined && { legend: replace(query.legend) }),
  };
}

const WHOLE_VARIABLE = /^\$(\w+)$|^\$\{(\w+)\}$|^\[\[(\w+)\]\]$/;

/** The parts of a dashboard variable that matter here; see Grafana's TypedVariableModel. */
export interface VariableModel {
  readonly name: string;
  readonly type: string;
  readonly current?: unknown;
  readonly regex?: unknown;
  readonly allValue?: unknown;
}

/**
 * Whether an entry is a variable that lists interaction types and is set to All. The backend is then asked for all types, so that a type
 * that appears after the variable was loaded is counted too. Not so where the list was narrowed (a regex, a custom list), where
 * All has a value of its own, or where a repeated panel has a value of its own.
 */
export function standsForAll(entry: string, variables: readonly VariableModel[], scopedVars: ScopedVars): boolean {
  const match = WHOLE_VARIABLE.exec(entry.trim());
  const name = match?.[1] ?? match?.[2] ?? match?.[3];
  if (name === undefined || scopedVars[name] !== undefined) return false;
  const variable = variables.find((one) => one.name === name);
  if (variable?.type !== 'query' || variable.regex || variable.allValue) return false;
  const { current } = variable;
  const value = typeof current === 'object' && current !== null && 'value' in current ? current.value : undefined;
  return (Array.isArray(value) ? value : [value]).includes('$__all');
}

/** Variables that Grafana or {@link rangeVars} always gives; Grafana itself does not count them as a dashboard's. */
export const hasBuiltIn = (text: string): boolean => /\$\{?__(interval|range)(_s|_ms)?\b/.test(text);

/** `$__range` and its kin: Grafana leaves them to each data source. */
export function rangeVars({ from, to }: TimeRange): ScopedVars {
  const ms = to.valueOf() - from.valueOf();
  const s = Math.round(ms / 1000);
  return { __range: { value: `${s}s` }, __range_s: { value: s }, __range_ms: { value: ms } };
}

/**
 * The zone in which windows are aligned: the query's own as it is, else the dashboard's. For the latter Grafana says `browser`, `utc` or nothing
 * where it has no IANA name; the backend only knows IANA names.
 */
export function resolveTimezone(queryZone: string | undefined, dashboardZone: string, browserZone: string): string {
  if (queryZone !== undefined) return queryZone;
  if (dashboardZone === 'utc') return 'UTC';
  return dashboardZone === '' || dashboardZone === 'browser' ? browserZone : dashboardZone;
}
