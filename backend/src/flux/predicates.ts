import { idFormatProblem, type IdFormatRow, type IdKind } from '../../../contract/ids.ts';
import { idKindOf, type IdPreset } from '../../../contract/presets.ts';
import { problemText } from '../../../contract/problem.ts';
import { FIELD, formatOf, formatsOf, PAIR_FIELD, pairOf, prefixOf, schemeOf, type Schema } from '../schema/buckets.ts';
import { beginsWith, flux, int, none, string, type Flux } from './literals.ts';

/** The literal that an id's field is compared with; its type must be the field's, or InfluxDB silently finds nothing. */
const LITERAL: Readonly<Record<IdFormatRow['stored'], (id: string) => Flux>> = { int64: int, string };

/** @throws RangeError where it is no id of the kind */
export function idLiteral(kind: IdKind, id: string, schema: Schema): Flux {
  requireIds(kind, [id], schema);
  return LITERAL[formatOf(kind, schema).stored](id);
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
  const kind = idKindOf(preset);
  const literals = ids.map((id) => idLiteral(kind, id, schema));
  return {
    prefixes: prefixesOf(preset, ids, schema),
    field: FIELD[preset],
    value: (column) => anyOf(column, literals),
  };
}

/** The points of some ids with one counterpart. @throws RangeError as {@link idTest} */
export function pairTest(preset: IdPreset, ids: readonly string[], counterpart: string, schema: Schema): IdTest {
  requireIds(idKindOf(preset), [...ids, counterpart], schema);
  const literals = ids.map((id) => string(pairOf(id, counterpart, schema)));
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
  requireIds(idKindOf(preset), ids, schema);
  const starts = ids.map((id) => pairOf(id, '', schema));
  const then = which === 'some' ? SOMEBODY[formatOf('user', schema).absent] : none;
  return {
    prefixes: prefixesOf(preset, ids, schema),
    field: PAIR_FIELD,
    value: (column) => flux`${column} =~ ${beginsWith(starts, then)}`,
  };
}

/** What an id goes on with that is not `absent`: a number has no leading zero, and a text is not a dash alone. */
const SOMEBODY: Readonly<Record<IdFormatRow['absent'], Flux>> = { '0': flux`[1-9]`, '-': flux`([^-]|-.)` };

function requireIds(kind: IdKind, ids: readonly string[], schema: Schema): void {
  for (const id of ids) {
    const problem = idFormatProblem(kind, id, formatsOf(schema));
    if (problem !== undefined) throw new RangeError(problemText(problem));
  }
}

function prefixesOf(preset: IdPreset, ids: readonly string[], schema: Schema): string[] {
  const scheme = schemeOf(preset, schema);
  return [...new Set(ids.map((id) => prefixOf(id, scheme)))];
}

/** `r.field != 0`: the totals whose event has an id of the preset's kind. */
export function hasId(column: Flux, preset: IdPreset, schema: Schema): Flux {
  const { stored, absent } = formatOf(idKindOf(preset), schema);
  return flux`${column} != ${LITERAL[stored](absent)}`;
}

/** `r.tag == "a"`, or `(r.tag == "a" or r.tag == "b")`: the forms that InfluxDB's storage evaluates itself. */
export function anyOf(column: Flux, literals: readonly Flux[]): Flux {
  const tests = literals.map((literal) => flux`${column} == ${literal}`);
  const [first, ...rest] = tests;
  if (first === undefined) throw new RangeError('anyOf needs at least one value.');
  if (rest.length === 0) return first;
  return flux`(${rest.reduce((all, test) => flux`${all} or ${test}`, first)})`;
}
