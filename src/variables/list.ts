import type { TimeRange } from '@grafana/data';
import { prefixOf, type PrefixScheme } from '../../contract/prefix.ts';
import type { Resources } from '../resources.ts';
import type { UserpulseVariableQuery } from '../types.ts';

type Lists = Pick<Resources, 'types' | 'top' | 'who' | 'prefixScheme'>;

/** The values of a variable, in the order in which they are offered: types by name, ids by their number of interactions. */
export async function listValues(
  { list, of, id = '', n, types }: UserpulseVariableQuery,
  resources: Lists,
  range: TimeRange | undefined,
): Promise<string[]> {
  switch (list) {
    case 'types':
      return [...(await resources.types(range))];
    case 'top':
      return ids(await resources.top({ of, n, types, range }));
    case 'who':
      return ids(await resources.who({ id, of, n, types, range }));
    case 'prefixes': {
      const [top, scheme] = await Promise.all([resources.top({ of, n, types, range }), resources.prefixScheme(of)]);
      return prefixes(ids(top), scheme);
    }
    default:
      return list satisfies never;
  }
}

const ids = (top: readonly { readonly id: string }[]): string[] => top.map(({ id }) => id);

const prefixes = (list: readonly string[], scheme: PrefixScheme): string[] => [
  ...new Set(list.map((id) => prefixOf(id, scheme))),
];
