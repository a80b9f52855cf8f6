import type { AdHocFilter } from '../../contract/fields.ts';

/** The one key that ad-hoc filters can have: ids have millions of values and belong in the query. */
export const FILTER_KEY = 'type';

/** Grafana's operators, and whether a type passes. A regular expression must match the whole type, as in Grafana's other sources. */
const OPERATORS: Readonly<Record<string, (filter: AdHocFilter) => (type: string) => boolean>> = {
  '=': (f) => (type) => type === f.value,
  '!=': (f) => (type) => type !== f.value,
  '=~': (f) => matcher(f),
  '!~': (f) => not(matcher(f)),
  '=|': (f) => (type) => valuesOf(f).includes(type),
  '!=|': (f) => (type) => !valuesOf(f).includes(type),
};

const not = (test: (type: string) => boolean) => (type: string) => !test(type);

const valuesOf = (filter: AdHocFilter): readonly string[] => filter.values ?? [filter.value];

function matcher(filter: AdHocFilter): (type: string) => boolean {
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^(?:${filter.value})$`);
  } catch {
    throw new FilterError(`The filter ${show(filter)} is not a valid regular expression. Correct or remove it.`);
  }
  return (type) => pattern.test(type);
}

const show = (filter: AdHocFilter): string => `"${filter.key} ${filter.operator} ${valuesOf(filter).join(' | ')}"`;

/** A filter that cannot be applied. Leaving it out would show numbers that look filtered and are not. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

/** True when the filters can be decided by the asked types alone, without knowing which types exist. */
export function needsKnownTypes(types: readonly string[], filters: readonly AdHocFilter[]): boolean {
  return types.length === 0 && filters.length > 0 && !filters.some((f) => f.operator === '=' || f.operator === '=|');
}

/**
 * The types that are asked for once the filters are applied. No filter: `types` as it is, where empty means all. With filters the result
 * is explicit, and an empty one means that nothing passes, never "all".
 * @param known the types that exist in the time range; used when `types` is empty and no filter names types itself
 * @throws FilterError for a key, operator or pattern that cannot be applied
 */
export function filterTypes(
  types: readonly string[],
  filters: readonly AdHocFilter[],
  known: readonly string[],
): { readonly types: readonly string[]; readonly nothing: boolean } {
  if (filters.length === 0) return { types, nothing: false };
  const tests = filters.map((filter) => {
    if (filter.key !== FILTER_KEY) {
      throw new FilterError(
        `The filter ${show(filter)} cannot be applied: Userpulse filters by "${FILTER_KEY}" only. Remove it.`,
      );
    }
    const operator = Object.hasOwn(OPERATORS, filter.operator) ? OPERATORS[filter.operator] : undefined;
    if (operator === undefined) {
      throw new FilterError(
        `The filter ${show(filter)} cannot be applied: use one of ${Object.keys(OPERATORS).join('  ')} with types.`,
      );
    }
    return operator(filter);
  });
  const named = filters.find((f) => f.operator === '=' || f.operator === '=|');
  const candidates = types.length > 0 ? types : named ? valuesOf(named) : known;
  const passed = candidates.filter((type) => tests.every((test) => test(type)));
  return { types: passed, nothing: passed.length === 0 };
}
