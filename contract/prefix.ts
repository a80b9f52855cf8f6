/** Which characters of an id are its prefix. An id shorter than `length` is its own prefix, unpadded. */
export interface PrefixScheme {
  readonly side: 'first' | 'last';
  readonly length: number;
}

/** `first:4`, as settings and `/v1/schema` write it. */
export const prefixSchemeText = (scheme: PrefixScheme): string => `${scheme.side}:${scheme.length}`;

/** Reads {@link prefixSchemeText}; undefined for anything else. */
export function parsePrefixScheme(text: string): PrefixScheme | undefined {
  const [, side, length] = /^(first|last):([1-9]\d?)$/.exec(text) ?? [];
  return side === 'first' || side === 'last' ? { side, length: Number(length) } : undefined;
}

export function prefixOf(id: string, scheme: PrefixScheme): string {
  return scheme.side === 'first' ? id.slice(0, scheme.length) : id.slice(-scheme.length);
}
