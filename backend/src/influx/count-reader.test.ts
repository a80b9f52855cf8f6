import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CountReader } from './count-reader.ts';

type Row = [result: string, type: string, ms: number | null, count: number];

function read(text: string, cuts: readonly number[] = []): Row[] {
  const rows: Row[] = [];
  const reader = new CountReader((result, type) => (ms, count) => rows.push([result, type, ms, count]));
  const bytes = Buffer.from(text);
  const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  places.slice(1).forEach((end, i) => {
    // Whoever hands over a chunk uses its memory again.
    const chunk = Buffer.from(bytes.subarray(places[i], end));
    reader.push(chunk);
    chunk.fill(0x3f);
  });
  reader.end();
  return rows;
}

const HEADER = ',result,table,_time,_value,type\r\n';
const ANSWER =
  `${HEADER},88,0,2026-01-31T23:59:50Z,12,like\r\n,88,0,2026-02-01T00:00:00Z,3,like\r\n,88,1,2026-02-01T00:00:00Z,1,view\r\n\r\n` +
  `,result,table,_value,type\r\n,compare 88,0,70000000000,view\r\n\r\n` +
  `,result,table,_value\r\n,ids,0,7\r\n,ids,0,81\r\n,ids,1,9\r\n,more ids,1,6\n,more ids,1,5\n\r\n,result,table,_value\r\n,more ids,1,4\r\n\r\n`;
const ROWS: Row[] = [
  ['88', 'like', Date.UTC(2026, 0, 31, 23, 59, 50), 12],
  ['88', 'like', Date.UTC(2026, 1, 1), 3],
  ['88', 'view', Date.UTC(2026, 1, 1), 1],
  ['compare 88', 'view', null, 70_000_000_000],
  ['ids', '', null, 7],
  ['ids', '', null, 81],
  ['ids', '', null, 9],
  ['more ids', '', null, 6],
  ['more ids', '', null, 5],
  ['more ids', '', null, 4],
];

describe('reading counts', () => {
  it('gives the same rows however the answer is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(ANSWER.length)), (cuts) => {
        expect(read(ANSWER, cuts)).toEqual(ROWS);
      }),
    );
  });

  it('reads every time that InfluxDB can hold as Date does', () => {
    const times = fc.integer({ min: Date.UTC(1678, 0, 1) / 1000, max: Date.UTC(2261, 11, 31) / 1000 });
    fc.assert(
      fc.property(times, fc.constantFrom('', '.5', '.123'), (second, fraction) => {
        const text = new Date(second * 1000).toISOString().replace('.000Z', `${fraction}Z`);
        expect(read(`${HEADER},a,0,${text},1,t\r\n`)).toEqual([['a', 't', Date.parse(text), 1]]);
      }),
    );
  });

  it('reads a last line that no line break ends, and nothing from an empty answer', () => {
    expect(read(`,result,table,_value\r\n,a,0,5`)).toEqual([['a', '', null, 5]]);
    expect(read('\r\n')).toEqual([]);
    expect(read('')).toEqual([]);
  });

  it('throws what InfluxDB says when it breaks off half-way', () => {
    expect(() => read(`${ANSWER}error,reference\r\n"out of memory, sorry",897\r\n`)).toThrow('out of memory, sorry');
    expect(() => read(',error,reference\r\n,Failed,897\r\n')).toThrow('Failed');
  });

  it.each([
    ',a,0,2026-01-31T23:59:50Z,-1,t',
    ',a,0,2026-01-31T23:59:50Z,1.5,t',
    ',a,0,2026-01-31T23:59:50Z,,t',
    ',a,0,2026-01-31T23:59:50Z,9007199254740993,t',
    ',a,0,yesterday,1,t',
    ',a,0,2026-01-31T2x:59:50Z,1,t',
    ',a,0,2026-01-31T23:59:50Z,1',
    ',a,0,2026-01-31T23:59:50Z,1,t,more',
    ',"a",0,2026-01-31T23:59:50Z,1,t',
  ])('refuses the row %s, which is no count', (row) => {
    expect(() => read(`${HEADER}${row}\r\n`)).toThrow('that is no count');
  });

  it.each(['x', '1,1', '"1"', ''])('refuses the value %j after another of the same series', (value) => {
    expect(() => read(`,result,table,_value\r\n,a,0,5\r\n,a,0,${value}\r\n`)).toThrow('that is no count');
  });

  it('refuses a table that holds no counts', () => {
    expect(() => read(',result,table,_time\r\n')).toThrow('holds no counts');
  });
});
