import { ID_KINDS, type IdKindRow } from '../../../contract/ids.ts';
import { idKindOf, type IdPreset } from '../../../contract/presets.ts';
import { problemText } from '../../../contract/problem.ts';
import { FIELD, NO_ID, prefixOf, schemeOf, type Schema } from '../schema/buckets.ts';
import { flux, int, string, type Flux } from './literals.ts';

/** The literal that an id's field is compared with; its type must be the field's, or InfluxDB silently finds nothing. */
const LITERAL: Readonly<Record<IdKindRow['stored'], (id: string) => Flux>> = { int64: int, string };

/** The tag and field tests that find the points of some ids, each of which has a literal of its own. */
export interface IdTest {
  readonly prefixes: readonly string[];
  readonly field: string;
  readonly literals: readonly Flux[];
}

/** @throws RangeError where an id is not of its preset's kind (callers validate before, with a message for people). */
export function idTest(preset: IdPreset, ids: readonly string[], schema: Schema): IdTest {
  const kind = ID_KINDS[idKindOf(preset)];
  for (const id of ids) {
    const problem = kind.problem(id);
    if (problem !== undefined) throw new RangeError(problemText(problem));
  }
  const scheme = schemeOf(preset, schema);
  return {
    prefixes: [...new Set(ids.map((id) => prefixOf(id, scheme)))],
    field: FIELD[preset],
    literals: ids.map(LITERAL[kind.stored]),
  };
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
