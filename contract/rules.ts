import { idFormatOf, idFormatProblem, ID_KINDS, DEFAULT_ID_FORMATS, type IdFormats, type IdKind } from './ids.ts';
import { MAX_IDS, MAX_IDS_APART, MAX_SERIES } from './limits.ts';
import { askedIds, PRESETS_WITH_IDS, type Preset, type RankedPreset } from './presets.ts';
import { NO_VALUE, quoted, VARIABLE, type Problem } from './problem.ts';

/** Rules for what fields hold, besides their form (fields.ts). The editor shows what the backend will say. */

/** True where a text holds a variable that will be replaced before the query runs. */
export type IsVariable = (text: string) => boolean;
const never: IsVariable = () => false;

/** Grafana's glob format, its default where a variable of several values stands in a text. */
const SEVERAL = /^\{[^{}]*,[^{}]*\}$/;

/** @param formats undefined where they are not known: see {@link idFormatProblem} */
export const idProblem = (kind: IdKind, id: string, formats: IdFormats | undefined): Problem | undefined => {
  const { noun } = ID_KINDS[kind];
  const problem = idFormatProblem(kind, id, formats);
  if (problem === undefined) return undefined;
  if (VARIABLE.test(id)) return { message: `${quoted(id)} is not a valid ${noun} ID: ${NO_VALUE}` };
  if (SEVERAL.test(id))
    return {
      message: `${quoted(id)} is not a valid ${noun} ID: it is how Grafana writes several values of a variable.`,
      hint: 'Write each ID by itself.',
    };
  return problem;
};

/** What says which ids a query takes. */
export interface IdsQuery {
  readonly preset: Preset;
  readonly ids: readonly string[];
  readonly of?: RankedPreset | undefined;
}

/** What `of` is where a query does not say it. */
export const DEFAULT_OF: RankedPreset = 'received';

/**
 * Ids of a preset: as many as it takes, none where it is not about ids. A variable may stand for any number.
 * @param formats undefined where they are not known: see {@link idFormatProblem}
 */
export function idsProblem(
  { preset, ids, of = DEFAULT_OF }: IdsQuery,
  formats: IdFormats | undefined,
  isVariable = never,
): Problem | undefined {
  const asked = askedIds(preset, of);
  if (asked === undefined)
    // An empty variable of a dashboard arrives as an empty string.
    return ids.some((id) => id !== '')
      ? {
          message: `preset "${preset}" takes no ids.`,
          hint: `Leave ids out, or use one of the presets ${PRESETS_WITH_IDS.join(', ')}.`,
        }
      : undefined;
  const { kind, exactly } = asked;
  const { noun } = ID_KINDS[kind];
  const { what, example } = idFormatOf(kind, formats ?? DEFAULT_ID_FORMATS);
  if (ids.length === 0)
    return {
      message: `ids is empty: preset "${preset}" needs a ${noun} ID.`,
      hint: `Give at least one, ${what}, for example "${example}".`,
    };
  if (exactly !== undefined && ids.length !== exactly && !ids.some(isVariable))
    return {
      message: `preset "${preset}" takes ${exactly === 1 ? `one ${noun} ID` : 'the IDs of two different users'}, not ${ids.length}.`,
      hint: exactly === 1 ? 'Use a query for each.' : 'Give the one who interacts first, then the other.',
    };
  return idCountProblem(ids) ?? firstProblem(ids, (id) => (isVariable(id) ? undefined : idProblem(kind, id, formats)));
}

export function idCountProblem(ids: readonly string[]): Problem | undefined {
  if (ids.length <= MAX_IDS) return undefined;
  return {
    message: `${ids.length} ids are more than the ${MAX_IDS} that one query may have.`,
    hint: 'Spread them over several queries.',
  };
}

/** Series are bounded more tightly than ids: many ids can be added up, but hardly be told apart in a chart. */
export function idsApartProblem(ids: readonly string[], groupBy: readonly string[]): Problem | undefined {
  if (ids.length <= MAX_IDS_APART || !groupBy.includes('id')) return undefined;
  return {
    message: `${ids.length} ids with series of their own are more than the ${MAX_IDS_APART} that one query may have.`,
    hint: `Group by type only, or by nothing, to add up to ${MAX_IDS} ids; or spread them over several queries.`,
  };
}

/** As the event contract has it (docs/contract.md). */
const TYPE = /^[a-z][a-z0-9_]{0,31}$/;

export function typeProblem(type: string): Problem | undefined {
  if (TYPE.test(type)) return undefined;
  return VARIABLE.test(type)
    ? { message: `type ${quoted(type)} is not valid: ${NO_VALUE}` }
    : {
        message: `type ${quoted(type)} is not valid.`,
        hint: 'A type begins with a lowercase letter and has at most 32 of a-z, 0-9 and _, for example "like".',
      };
}

export function typesProblem(types: readonly string[], isVariable = never): Problem | undefined {
  return firstProblem(types, (type) => (isVariable(type) ? undefined : typeProblem(type))) ?? typeCountProblem(types);
}

export function typeCountProblem(types: readonly string[]): Problem | undefined {
  if (types.length <= MAX_SERIES) return undefined;
  return { message: `${types.length} types are more than ${MAX_SERIES}.`, hint: 'Leave types empty for all of them.' };
}

function firstProblem(texts: readonly string[], problemOf: (text: string) => Problem | undefined): Problem | undefined {
  for (const text of texts) {
    const problem = problemOf(text);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
