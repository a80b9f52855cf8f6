import { QUERY_VERSION } from '../types.ts';
import type { Annotation, UserpulseQuery, UserpulseVariableQuery } from '../types.ts';
import { ANNOTATION_KINDS, VARIABLE_LISTS } from '../types.ts';
import { DEFAULT_ANNOTATION, DEFAULT_QUERY, DEFAULT_TOP, DEFAULT_VARIABLE_QUERY } from './defaults.ts';
import { CALCULATIONS, ID_PRESETS, LABELS, PRESETS } from './limits.ts';

type Saved = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Saved =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Ids and types are separated by commas or white space wherever people type several; neither can contain one. */
export const splitList = (text: string): string[] => text.split(/[\s,;]+/).filter((part) => part !== '');

const unique = (list: readonly string[]): string[] => [...new Set(list)];

function listOf(value: unknown): string[] {
  if (typeof value === 'string') return unique(splitList(value));
  // An id that was saved as a number is taken as its digits; beyond 2^53 it was already wrong when it was saved.
  if (typeof value === 'number' && Number.isSafeInteger(value)) return [String(value)];
  if (Array.isArray(value)) return unique(value.flatMap(listOf));
  return [];
}

const oneOf = <T extends string>(values: readonly T[], value: unknown, fallback: T): T =>
  values.find((candidate) => candidate === value) ?? fallback;

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;

const labelsOf = (value: unknown): ('id' | 'type')[] | undefined =>
  Array.isArray(value) ? LABELS.filter((label) => value.includes(label)) : undefined;

/**
 * Reads a query however it was saved: by hand in a provisioned file, by an earlier version of the plugin, or half filled in.
 * Version 1 is the first that was released. Queries without a version come from files written by hand; there `id`, `type` and
 * `window` are understood too, and lists may be text. Fields that Grafana owns (refId, hide, datasource) are kept as they are.
 */
export function migrateQuery(saved: unknown): UserpulseQuery {
  const from = isRecord(saved) ? saved : {};
  const preset = oneOf(PRESETS, from['preset'], DEFAULT_QUERY.preset);
  const groupBy = labelsOf(from['groupBy']);
  const compareTo = text(from['compareTo']);
  const timezone = text(from['timezone']);
  const legend = text(from['legend']);
  return {
    ...grafanaFields(from),
    version: QUERY_VERSION,
    preset,
    ids: listOf(from['ids'] ?? from['id']),
    types: listOf(from['types'] ?? from['type']),
    every: text(from['every'] ?? from['window']) ?? DEFAULT_QUERY.every,
    calc: oneOf(CALCULATIONS, from['calc'], DEFAULT_QUERY.calc),
    ...(groupBy && { groupBy }),
    ...(compareTo !== undefined && { compareTo }),
    ...(preset === 'top' && {
      of: oneOf(ID_PRESETS, from['of'], DEFAULT_TOP.of),
      n: typeof from['n'] === 'number' ? from['n'] : DEFAULT_TOP.n,
    }),
    ...(timezone !== undefined && { timezone }),
    ...(from['live'] === true && { live: true }),
    ...(legend !== undefined && { legend }),
    ...(isRecord(from['annotation']) && { annotation: annotationOf(from['annotation']) }),
    ...(Array.isArray(from['filters']) && { filters: from['filters'].filter(isFilter) }),
  };
}

const isFilter = (value: unknown): value is NonNullable<UserpulseQuery['filters']>[number] =>
  isRecord(value) &&
  typeof value['key'] === 'string' &&
  typeof value['operator'] === 'string' &&
  typeof value['value'] === 'string';

function grafanaFields(from: Saved): Pick<UserpulseQuery, 'refId' | 'hide' | 'datasource' | 'queryType'> {
  const { refId, hide, datasource, queryType } = from;
  return {
    refId: typeof refId === 'string' ? refId : 'A',
    ...(typeof hide === 'boolean' && { hide }),
    ...(isRecord(datasource) && { datasource }),
    ...(typeof queryType === 'string' && { queryType }),
  };
}

function annotationOf(saved: Saved): Annotation {
  return {
    kind: oneOf(ANNOTATION_KINDS, saved['kind'], DEFAULT_ANNOTATION.kind),
    threshold: typeof saved['threshold'] === 'number' ? saved['threshold'] : DEFAULT_ANNOTATION.threshold,
  };
}

/** As {@link migrateQuery}, for a variable. A plain word, as provisioned files have it (`query: types`), names the list. */
export function migrateVariableQuery(saved: unknown): UserpulseVariableQuery {
  const from = isRecord(saved) ? saved : { list: saved };
  return {
    refId: text(from['refId']) ?? 'userpulse-variable',
    version: QUERY_VERSION,
    list: oneOf(VARIABLE_LISTS, from['list'], DEFAULT_VARIABLE_QUERY.list),
    of: oneOf(ID_PRESETS, from['of'], DEFAULT_VARIABLE_QUERY.of),
    n: typeof from['n'] === 'number' ? from['n'] : DEFAULT_VARIABLE_QUERY.n,
    types: listOf(from['types']),
  };
}
