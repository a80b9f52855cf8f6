import { ID_KINDS, type IdKind, type IdKindRow } from '../../../contract/ids.ts';
import { idKindOf, type IdPreset } from '../../../contract/presets.ts';
import { problemText } from '../../../contract/problem.ts';
import { FIELD, NO_ID, PAIR_FIELD, pairOf, prefixOf, schemeOf, type Schema } from '../schema/buckets.ts';
import { beginsWith, flux, int, none, string, type Flux } from './literals.ts';

/** The literal that an id's field is compared with; its type must be the field's, or InfluxDB silently finds nothing. */
const LITERAL: Readonly<Record<IdKindRow['stored'], (id: string) => Flux>> = { int64: int, string };

/** @throws RangeError where it is no id of the kind */
export function idLiteral(kind: IdKind, id: string): Flux {
  const problem = ID_KINDS[kind].problem(id);
  if (problem !== undefined) throw new RangeError(problemText(problem));
  return LITERAL[ID_KINDS[kind].stored](id);
}

/** The tag and field tests that find the points of some ids. */
export interface IdTest {
  readonly prefixes: readonly string[];
  readonly field: string;
  /** Of a column with the field's value. */
  readonly value: (column: Flux) => Flux;
}

/** @throws RangeError where an id is not of its preset's kind (callers validate before, with a message for people). */
export function idTest(preset: IdPreset, ids: readonly string[], schema: Schema): IdTest {
  const kind = kindOf(preset, ids);
  const literals = ids.map(LITERAL[kind.stored]);
  return {
    prefixes: prefixesOf(preset, ids, schema),
    field: FIELD[preset],
    value: (column) => anyOf(column, literals),
  };
}

/** The points of some ids with one counterpart. @throws RangeError as {@link idTest} */
export function pairTest(preset: IdPreset, ids: readonly string[], counterpart: string, schema: Schema): IdTest {
  kindOf(preset, [...ids, counterpart]);
  const literals = ids.map((id) => string(pairOf(id, counterpart)));
  return {
    prefixes: prefixesOf(preset, ids, schema),
    field: PAIR_FIELD,
    value: (column) => anyOf(column, literals),
  };
}

/**
 * The points of some ids that name a counterpart; with `any` also those of interactions without one, which only say that there is none.
 * @throws RangeError as {@link idTest}
 */
export function counterpartTest(
  preset: IdPreset,
  ids: readonly string[],
  schema: Schema,
  which: 'some' | 'any' = 'some',
): IdTest {
  kindOf(preset, ids);
  const starts = ids.map((id) => pairOf(id, ''));
  // No id begins with a zero, and what stands where there is none does.
  const then = which === 'some' ? flux`[1-9]` : none;
  return {
    prefixes: prefixesOf(preset, ids, schema),
    field: PAIR_FIELD,
    value: (column) => flux`${column} =~ ${beginsWith(starts, then)}`,
  };
}

function kindOf(preset: IdPreset, ids: readonly string[]): IdKindRow {
  const kind = ID_KINDS[idKindOf(preset)];
  for (const id of ids) {
    const problem = kind.problem(id);
    if (problem !== undefined) throw new RangeError(problemText(problem));
  }
  return kind;
}

function prefixesOf(preset: IdPreset, ids: readonly string[], schema: Schema): string[] {
  const scheme = schemeOf(preset, schema);
  return [...new Set(ids.map((id) => prefixOf(id, scheme)))];
}

/** `r.field != 0`: the totals whose event has an id of the preset's kind. */
export function hasId(column: Flux, preset: IdPreset): Flux {
  const kind = idKindOf(preset);
  return flux`${column} != ${LITERAL[ID_KINDS[kind].stored](NO_ID[kind])}`;
}

/** `r.tag == "a"`, or `(r.tag == "a" or r.tag == "b")`: the forms that InfluxDB's storage evaluates itself. */
export function anyOf(column: Flux, literals: readonly Flux[]): Flux {
  const tests = literals.map((literal) => flux`${column} == ${literal}`);
  const [first, ...rest] = tests;
  if (first === undefined) throw new RangeError('anyOf needs at least one value.');
  if (rest.length === 0) return first;
  return flux`(${rest.reduce((all, test) => flux`${all} or ${test}`, first)})`;
}
