import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Frame } from './frames.ts';
import { interactionsCsv, interactionsJson, queryJson } from './render.ts';
import type { InteractionsAnswer, QueryAnswer } from './service.ts';

const textOf = (pieces: Iterable<Buffer>): string => Buffer.concat([...pieces]).toString();
const number = fc.oneof(
  fc.nat(100),
  fc.constantFrom(0, 1e15, 1e15 - 1, 2 ** 53, 1e21, 1 / 3, 0.1, NaN, 5e-324),
  fc.double({ noDefaultInfinity: true, min: 0 }),
);

describe('answers as JSON', () => {
  it('are what JSON.stringify gives, whatever the values, labels and names', () => {
    const frame = fc
      .tuple(
        fc.string({ unit: 'binary' }),
        fc.array(fc.array(number, { maxLength: 50 }), { maxLength: 4 }),
        fc.array(fc.string()),
      )
      .map(([name, columns, ids]): Frame => ({
        schema: { refId: name, fields: [{ name, type: 'number', typeInfo: { frame: 'float64' } }] },
        columns: [...columns.map((column) => Float64Array.from(column)), ids],
      }));
    const failure = fc.record({ error: fc.string(), errorCode: fc.string(), status: fc.nat(599) });
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.tuple(
            fc.string(),
            fc.oneof(
              frame.map((one) => ({ frame: one })),
              failure,
            ),
          ),
          { selector: ([refId]) => refId, maxLength: 5 },
        ),
        (results) => {
          const answer: QueryAnswer = { results: new Map(results), ageMs: 0 };
          const plain = results.map(([refId, one]) => {
            if ('error' in one) return [refId, { ...one, frames: [] }] as const;
            const { schema, columns } = one.frame;
            return [
              refId,
              {
                status: 200,
                frames: [{ schema, data: { values: columns.map((column) => Array.from<number | string>(column)) } }],
              },
            ] as const;
          });
          expect(JSON.parse(textOf(queryJson(answer)))).toEqual(
            JSON.parse(JSON.stringify({ results: Object.fromEntries(plain) })),
          );
        },
      ),
    );
  });

  it.each([0, 1, 6_553, 100_000])('of %d values come in pieces of 64 KiB at most', (length) => {
    const column = Float64Array.from({ length }, (_, i) => (i % 3 === 0 ? i / 7 : i * 1_000_003));
    const frame: Frame = { schema: { refId: 'A', fields: [] }, columns: [column, ['é'.repeat(40_000)]] };
    const pieces = [...queryJson({ results: new Map([['A', { frame }]]), ageMs: 0 })];
    for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(131_072);
    const { results } = JSON.parse(textOf(pieces)) as {
      results: { A: { frames: { data: { values: unknown[][] } }[] } };
    };
    expect(results.A.frames[0]?.data.values[0]).toEqual([...column]);
  });
});

describe('interactions', () => {
  const answer: InteractionsAnswer = {
    preset: 'received',
    id: '88',
    every: '1h',
    from: '2026-01-31T00:00:00.000Z',
    to: '2026-01-31T02:00:00.000Z',
    times: Float64Array.of(1_769_817_600_000, 1_769_821_200_000),
    series: [
      { type: 'a "b", c', values: Float64Array.of(3, 0) },
      { type: '', values: Float64Array.of(0.5, 1e15) },
    ],
    ageMs: 5,
  };
  it('are points as JSON, without their age, which is a header', () => {
    const { times: _times, series, ageMs: _ageMs, ...rest } = answer;
    expect(JSON.parse(textOf(interactionsJson(answer)))).toEqual({
      ...rest,
      series: series.map(({ type, values }) => ({
        type,
        points: [
          [1_769_817_600_000, values[0]],
          [1_769_821_200_000, values[1]],
        ],
      })),
    });
  });
  it('are a line per window and type as CSV, quoted where they must be', () => {
    expect(textOf(interactionsCsv(answer)).split('\r\n')).toEqual([
      'time,type,value',
      '2026-01-31T00:00:00.000Z,"a ""b"", c",3',
      '2026-01-31T01:00:00.000Z,"a ""b"", c",0',
      '2026-01-31T00:00:00.000Z,,0.5',
      '2026-01-31T01:00:00.000Z,,1000000000000000',
      '',
    ]);
  });
});
