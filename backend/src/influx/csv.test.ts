import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvReader } from './csv.ts';

function read(chunks: readonly string[]): string[][][] {
  const tables: string[][][] = [];
  const reader = new CsvReader((columns) => {
    const rows: string[][] = [[...columns]];
    tables.push(rows);
    return (row) => rows.push([...row]);
  });
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return tables;
}

const ANSWER =
  ',result,table,_value,type\r\n,A,0,12,like\r\n,A,1,3,view\r\n\r\n,result,table,_value,type\r\n,"B, ""x""\nc",0,4,\r\n\r\n';
const TABLES = [
  [
    ['', 'result', 'table', '_value', 'type'],
    ['', 'A', '0', '12', 'like'],
    ['', 'A', '1', '3', 'view'],
  ],
  [
    ['', 'result', 'table', '_value', 'type'],
    ['', 'B, "x"\nc', '0', '4', ''],
  ],
];

describe('reading CSV', () => {
  it('gives the same tables however the answer is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(ANSWER.length)), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), ANSWER.length];
        expect(read(places.slice(1).map((end, i) => ANSWER.slice(places[i], end)))).toEqual(TABLES);
      }),
    );
  });

  it('gives no table for an empty answer', () => {
    expect(read(['\r\n'])).toEqual([]);
    expect(read([])).toEqual([]);
  });

  it('reads a last line that no line break ends', () => {
    expect(read([',result,_value\r\n,A,1'])).toEqual([
      [
        ['', 'result', '_value'],
        ['', 'A', '1'],
      ],
    ]);
  });

  it('throws what InfluxDB says when it breaks off half-way', () => {
    expect(() => read([ANSWER, 'error,reference\r\n"out of memory, sorry",897\r\n'])).toThrow('out of memory, sorry');
    expect(() => read([',error,reference\r\n,Failed,897\r\n'])).toThrow('Failed');
  });
});
