import type { Reading } from '../../contract/fields.ts';
import { problemText, type Problem } from '../../contract/problem.ts';
import { GRAFANA_FIELDS, QUERY_FIELDS, readQuery, readVariable, VARIABLE_FIELDS } from '../../contract/query.ts';
import type { UserpulseQuery, UserpulseVariableQuery } from '../types.ts';

/** A saved query as an editor draws it: absent fields have their default, and so have wrong ones. */
export interface Saved<Q> {
  readonly query: Q;
  /** What is wrong, by field. A query that has problems must not run as {@link query}: it goes to the backend as it was saved, and is refused there. */
  readonly problems: ReadonlyMap<string, Problem>;
}

/** Reads a query however it was made: by the editor, or by hand in a provisioned file. Fields that Grafana owns are kept as they are. */
export const readSaved = (saved: unknown): Saved<UserpulseQuery> => withGrafana(saved, readQuery(saved), 'A');

/** As {@link readSaved}, for a variable. A plain word, as provisioned files have it (`query: types`), names the list. */
export function readSavedVariable(saved: unknown): Saved<UserpulseVariableQuery> {
  const query = typeof saved === 'string' && saved !== '' ? { list: saved } : saved === '' ? undefined : saved;
  return withGrafana(query, readVariable(query), 'userpulse-variable');
}

/** Whether a query can run. One that cannot is left as it is, so that the backend says what is wrong with it. */
export const isWellFormed = (saved: unknown): boolean => readQuery(saved).problems.size === 0;

/** All problems in one text. */
export const problemsText = (problems: Saved<unknown>['problems']): string =>
  [...problems.values()].map(problemText).join(' ');

/** A change of some fields; `undefined` takes a field away. */
export type Change<Q> = { readonly [K in keyof Q]?: Q[K] | undefined };

/** The saved query with some fields changed. Other fields that are wrong stay as they are, to be refused, until somebody changes them. */
export const changeSaved = (saved: UserpulseQuery, change: Change<UserpulseQuery>): UserpulseQuery =>
  changed({ ...saved, ...change }, readSaved);

export const changeSavedVariable = (
  saved: UserpulseVariableQuery,
  change: Change<UserpulseVariableQuery>,
): UserpulseVariableQuery => changed({ ...saved, ...change }, readSavedVariable);

/** The saved query without its fields that are wrong. */
export const withoutProblems = (saved: UserpulseQuery): UserpulseQuery =>
  // Read twice: ids of a preset that is not known are strays once it has become the default.
  readSaved(readSaved(saved).query).query;

function changed<Q extends object>(fields: object, read: (saved: unknown) => Saved<Q>): Q {
  const { query, problems } = read(fields);
  return { ...query, ...Object.fromEntries(Object.entries(fields).filter(([name]) => problems.has(name))) };
}

function withGrafana<T extends typeof QUERY_FIELDS | typeof VARIABLE_FIELDS>(
  saved: unknown,
  { values, problems }: Reading<T>,
  refId: string,
): Saved<Reading<T>['values'] & { readonly refId: string }> {
  const own = Object.entries(typeof saved === 'object' && saved !== null ? saved : {}).filter(([name]) =>
    GRAFANA_FIELDS.has(name),
  );
  return { query: { refId, ...Object.fromEntries(own), ...values }, problems };
}
