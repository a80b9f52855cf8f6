import { murmur32OfBytes } from './murmur32.ts';

export const PREFIX_BY = ['first', 'last', 'hash'] as const;
/** Characters of the id itself, from its beginning or its end, or hex digits of its hash. */
export type PrefixBy = (typeof PREFIX_BY)[number];

/** What of an id is its prefix. An id shorter than `length` is its own prefix, unpadded; a hash has 8 hex digits. */
export interface PrefixScheme {
  readonly by: PrefixBy;
  readonly length: number;
}

/** `first:4`, as settings and `/v1/schema` write it. */
export const prefixSchemeText = (scheme: PrefixScheme): string => `${scheme.by}:${scheme.length}`;

/** Reads {@link prefixSchemeText}; undefined for anything else. */
export function parsePrefixScheme(text: string): PrefixScheme | undefined {
  const [, name, length] = /^([a-z]+):([1-9]\d?)$/.exec(text) ?? [];
  const by = PREFIX_BY.find((known) => known === name);
  return by === undefined ? undefined : { by, length: Number(length) };
}

/** @param id ASCII, as ids of every format are */
export function prefixOf(id: string, { by, length }: PrefixScheme): string {
  switch (by) {
    case 'first':
      return id.slice(0, length);
    case 'last':
      return id.slice(-length);
    case 'hash':
      return murmur32OfBytes(id).toString(16).padStart(8, '0').slice(0, length);
    default:
      return by satisfies never;
  }
}
