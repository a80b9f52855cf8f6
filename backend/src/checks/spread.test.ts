import { ID_FORMATS } from '../../../contract/ids.ts';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../produce/random.ts';
import { prefixOf, type PrefixScheme } from '../schema/buckets.ts';
import { judgeScheme, MIN_IDS, schemesThatExplain, spreadOf } from './spread.ts';

const first = (length: number): PrefixScheme => ({ by: 'first', length });
const last = (length: number): PrefixScheme => ({ by: 'last', length });
const sequential = (from: number, to: number, step = 1): Set<string> => {
  const ids = new Set<string>();
  for (let id = from; id <= to; id += step) ids.add(String(id));
  return ids;
};
const drawn = (count: number, id: (random: number) => bigint): Set<string> => {
  const random = seededRandom(1);
  return new Set(Array.from({ length: count }, () => String(id(random()))));
};

describe('spreadOf', () => {
  it('finds that sequential ids of equal length share their leading digits', () => {
    // docs/schemes.md names these figures.
    const ids = sequential(10_000_000, 11_000_000, 37).add('11000000');
    expect(spreadOf(ids, first(4)).prefixes).toBe(101);
    expect(spreadOf(ids, last(4)).prefixes).toBe(10_000);
  });
  it('counts the fullest prefix', () => {
    expect(spreadOf(['12', '123', '1234', '99'], first(2))).toMatchObject({ ids: 4, prefixes: 2, fullest: 3 });
  });
  it('of nothing is nothing', () => {
    expect(spreadOf([], first(4))).toEqual({ ids: 0, prefixes: 0, fullest: 0, readsOneIn: 0 });
  });
  it('tells from a small sample which part of all ids a query reads', () => {
    const sample = drawn(3_000, (random) => 10_000_000n + BigInt(Math.floor(random * 1_000_000)));
    expect(spreadOf(sample, first(4)).readsOneIn / 100).toBeCloseTo(1, 1);
    expect(spreadOf(sample, last(4)).readsOneIn / 10_000).toBeCloseTo(1, 1);
    expect(spreadOf([...sample].slice(0, 300), first(4)).readsOneIn / 100).toBeCloseTo(1, 0);
  });
});

describe('judgeScheme', () => {
  it('prefers the last digits of sequential ids', () => {
    const verdict = judgeScheme(sequential(10_000_000, 11_000_000, 997), first(4), ID_FORMATS.int64);
    expect(verdict.otherIsBetter).toBe(true);
    expect(verdict.best).toEqual(last(4));
  });
  it('is content with the last digits of the same ids', () => {
    expect(judgeScheme(sequential(10_000_000, 11_000_000, 997), last(4), ID_FORMATS.int64).otherIsBetter).toBe(false);
  });
  it('is content with ids that spread either way', () => {
    const ids = new Set(
      Array.from({ length: 3000 }, (_, i) => String((BigInt(i + 1) * 2654435761n) % 9007199254740993n)),
    );
    expect(judgeScheme(ids, first(4), ID_FORMATS.int64).otherIsBetter).toBe(false);
  });
  it('prefers more of the last digits where the last four are few, as of ids that end in their machine', () => {
    // Twitter's snowflakes: 2^22 a millisecond, so that all end alike but for a multiple of 16 in their last four digits.
    const twoYears = 63_000_000_000;
    const ids = drawn(3_000, (random) => (360_000_000_000n + BigInt(Math.floor(random * twoYears))) << 22n);
    expect(judgeScheme(ids, first(4), ID_FORMATS.int64).best).toEqual(last(5));
  });
  it('is content with a scheme that reads little, though another would read less', () => {
    const ids = drawn(3_000, (random) => 1_000_000n + BigInt(Math.floor(random * 9_000_000)));
    expect(spreadOf(ids, last(6)).readsOneIn).toBeGreaterThan(spreadOf(ids, last(4)).readsOneIn);
    expect(judgeScheme(ids, last(4), ID_FORMATS.int64).otherIsBetter).toBe(false);
  });
  it('says nothing on too few ids', () => {
    expect(
      judgeScheme(sequential(10_000_000, 10_000_000 + MIN_IDS - 2), first(4), ID_FORMATS.int64).otherIsBetter,
    ).toBe(false);
  });
});

describe('schemesThatExplain', () => {
  const points = (scheme: PrefixScheme): { id: string; prefix: string }[] =>
    ['7', '123', '1234567', '987650123'].map((id) => ({ id, prefix: prefixOf(id, scheme) }));
  it.each([first(1), first(4), last(4), last(6)])('finds %o by what it wrote', (scheme) => {
    expect(schemesThatExplain(points(scheme))).toEqual([scheme]);
  });
  it('finds none where two schemes wrote', () => {
    expect(schemesThatExplain([...points(first(4)), ...points(last(4))])).toEqual([]);
  });
  it('finds none in nothing', () => {
    expect(schemesThatExplain([])).toEqual([]);
  });
});
