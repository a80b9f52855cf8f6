import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunFinder } from './runs.ts';

describe('RunFinder', () => {
  it('covers every point that goes and none that stays, with as few runs as can be', () => {
    const series = fc.array(fc.boolean(), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(series, { maxLength: 3 }), (drawn) => {
        const points = drawn.flatMap((goes, n) =>
          goes.map((gone, at) => ({ series: `s${n}`, ms: Math.floor(at / 3), offsetNs: at, gone })),
        );
        const going = new Set(points.filter(({ gone }) => gone).map(({ series: s, offsetNs }) => `${s} ${offsetNs}`));
        const finder = new RunFinder(({ series: s, offsetNs }) => going.has(`${s} ${offsetNs}`));
        for (const point of points) finder.add(point);
        const runs = finder.runs();
        for (const { series: s, offsetNs, gone } of points) {
          const covering = runs.filter(
            ({ from, to }) => from.series === s && from.offsetNs <= offsetNs && offsetNs <= to.offsetNs,
          );
          expect(covering).toHaveLength(gone ? 1 : 0);
        }
        const starts = drawn.map((goes) => goes.filter((gone, at) => gone && goes[at - 1] !== true).length);
        expect(runs).toHaveLength(starts.reduce((sum, count) => sum + count, 0));
      }),
    );
  });

  it('does not rely on an order that is not there', () => {
    const finder = new RunFinder(() => true);
    finder.add({ series: 's', ms: 2, offsetNs: 0 });
    expect(() => finder.add({ series: 's', ms: 1, offsetNs: 9 })).toThrow('not in the order');
  });
});
