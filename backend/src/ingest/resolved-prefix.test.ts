import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResolvedPrefix } from './resolved-prefix.ts';

describe('ResolvedPrefix', () => {
  it('lets nothing leave past something unresolved', () => {
    const prefix = new ResolvedPrefix<string>();
    const [a, b, c] = ['a', 'b', 'c'].map((v) => prefix.add(v));
    expect(prefix.resolve(b!)).toEqual([]);
    expect(prefix.oldest).toBe('a');
    expect(prefix.resolve(a!)).toEqual(['a', 'b']);
    expect(prefix.size).toBe(1);
    expect(prefix.resolve(c!)).toEqual(['c']);
    expect(prefix.oldest).toBeUndefined();
  });

  it('lets everything leave exactly once and in order, whatever the order of resolving', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.infiniteStream(fc.nat()), (values, choices) => {
        const prefix = new ResolvedPrefix<number>();
        const open = values.map((_, n) => prefix.add(n));
        const left: number[] = [];
        const resolved = new Set<number>();
        while (open.length > 0) {
          const [ticket] = open.splice(choices.next().value! % open.length, 1);
          resolved.add(ticket!.value);
          left.push(...prefix.resolve(ticket!));
          let longest = 0;
          while (resolved.has(longest)) longest++;
          expect(left).toEqual(Array.from({ length: longest }, (_, n) => n));
        }
        expect(prefix.size).toBe(0);
      }),
    );
  });

  it('refuses to resolve twice', () => {
    const prefix = new ResolvedPrefix<string>();
    const ticket = prefix.add('a');
    prefix.resolve(ticket);
    expect(() => prefix.resolve(ticket)).toThrow();
  });
});
