import { FIELD, prefixOf, schemeOf, type BucketRole, type IdPreset, type Schema } from '../schema/buckets.ts';
import { flux, int, string, type Flux } from './literals.ts';

/** Presets that give series of windows. `top` is not one of them: it counts ids, see query/top.ts. */
export type SeriesPreset = IdPreset | 'everyone';

/** What an id of a preset looks like, in words and as a test. */
export interface IdKind {
  readonly what: string;
  readonly example: string;
  readonly valid: (id: string) => boolean;
  /** The literal that the id's field is compared with; its type must be the field's, or InfluxDB silently finds nothing. */
  readonly literal: (id: string) => Flux;
}

const USER: IdKind = {
  what: 'a whole number from 1 to 9223372036854775807',
  example: '123456',
  valid: (id) => /^[1-9][0-9]{0,18}$/.test(id) && BigInt(id) < 2n ** 63n,
  literal: int,
};

const SHARE: IdKind = {
  what: '24 lowercase hex characters',
  example: '5f2c9b7a1d4e8a0012ab34cd',
  valid: (id) => /^[0-9a-f]{24}$/.test(id),
  literal: string,
};

interface PresetRow {
  readonly role: BucketRole;
  /** Present where the preset asks about ids. */
  readonly id: IdKind | undefined;
}

/** Every preset in one row: whose bucket it reads and what its ids are. */
export const PRESET_TABLE = {
  made: { role: 'made', id: USER },
  received: { role: 'received', id: USER },
  share: { role: 'share', id: SHARE },
  everyone: { role: 'total', id: undefined },
} as const satisfies Record<SeriesPreset, PresetRow>;

export const isIdPreset = (preset: SeriesPreset): preset is IdPreset => PRESET_TABLE[preset].id !== undefined;

/** The tag and field tests that find the points of some ids, each of which has a literal of its own. */
export interface IdTest {
  readonly prefixes: readonly string[];
  readonly field: string;
  readonly literals: readonly Flux[];
}

/** @throws RangeError where an id is not of its preset's kind (callers validate before, with a message for people). */
export function idTest(preset: IdPreset, ids: readonly string[], schema: Schema): IdTest {
  const kind = PRESET_TABLE[preset].id;
  for (const id of ids) if (!kind.valid(id)) throw new RangeError(`${JSON.stringify(id)} is not ${kind.what}.`);
  const scheme = schemeOf(preset, schema);
  return {
    prefixes: [...new Set(ids.map((id) => prefixOf(id, scheme)))],
    field: FIELD[preset],
    literals: ids.map((id) => kind.literal(id)),
  };
}

/** `r.tag == "a"`, or `(r.tag == "a" or r.tag == "b")`: the forms that InfluxDB's storage evaluates itself. */
export function anyOf(column: Flux, literals: readonly Flux[]): Flux {
  const tests = literals.map((literal) => flux`${column} == ${literal}`);
  const [first, ...rest] = tests;
  if (first === undefined) throw new RangeError('anyOf needs at least one value.');
  if (rest.length === 0) return first;
  return flux`(${rest.reduce((all, test) => flux`${all} or ${test}`, first)})`;
}
