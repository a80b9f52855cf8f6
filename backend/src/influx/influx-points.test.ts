import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { UserpulseError, type ErrorCode } from '../errors.ts';
import type { Schema } from '../schema/buckets.ts';
import { variableSecret } from '../secrets.ts';
import { CsvReader } from './csv.ts';
import { InfluxPoints } from './influx-points.ts';
import type { InfluxReader } from './reader.ts';
import type { StoredField } from './stored-points.ts';

const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};
/** As influxd 2.7.12 answers, tables of other columns apart. */
const ANSWER = [
  ',result,table,_time,_value,_field,part,type',
  ',_result,0,2012-07-01T00:02:52Z,12,made,17,like',
  ',_result,0,2012-07-01T00:02:52.1Z,13,made,17,like',
  '',
  ',result,table,_time,_value,_field,type',
  ',_result,1,2012-07-01T00:02:52.123456789Z,-,share,reply',
  ',_result,1,2012-07-01T23:59:59.999999999Z,-,share,reply',
  '',
  ',result,table,_time,_value,_field,type,zone',
  ',_result,2,2012-07-01T00:02:52Z,9,made,like,x',
  ',_result,2,2012-07-01T00:02:52Z,9,received,like,x',
  '',
  '',
].join('\r\n');
const MS = Date.parse('2012-07-01T00:02:52Z');
const FIELDS: readonly StoredField[] = [
  { series: 'interaction,part=17,type=like', ms: MS, offsetNs: 0, field: 'made', value: '12' },
  { series: 'interaction,part=17,type=like', ms: MS + 100, offsetNs: 0, field: 'made', value: '13' },
  { series: 'interaction,type=reply', ms: MS + 123, offsetNs: 456_789, field: 'share', value: '-' },
  { series: 'interaction,type=reply', ms: MS + 86_227_999, offsetNs: 999_999, field: 'share', value: '-' },
];

/** Breaks off half-way, so many times. */
class FailingReader implements InfluxReader {
  readonly #code: ErrorCode;
  #failures: number;
  constructor(code: ErrorCode, failures: number) {
    this.#code = code;
    this.#failures = failures;
  }
  async rows(...[, onTable]: Parameters<InfluxReader['rows']>): Promise<void> {
    await Promise.resolve();
    const csv = new CsvReader(onTable);
    if (this.#failures-- > 0) {
      csv.push(ANSWER.slice(0, 200));
      throw new UserpulseError(this.#code, 'It broke off.');
    }
    csv.push(ANSWER);
    csv.end();
  }
  bytes(): Promise<void> {
    throw new Error('Nothing reads bytes.');
  }
}

async function read(reader: InfluxReader) {
  const clock = new VirtualClock();
  const points = new InfluxPoints({
    target: { host: 'http://127.0.0.1:9', org: 'o', token: variableSecret('INFLUX_TOKEN', 't') },
    reader,
    schema,
    clock,
    logger: pino({ level: 'silent' }),
  });
  const attempts: StoredField[][] = [];
  const begin = () => {
    const fields: StoredField[] = [];
    attempts.push(fields);
    return (field: StoredField): void => void fields.push(field);
  };
  const range = { fromMs: MS, toMs: MS + 1 };
  const others = await points.read('total', range, begin, new AbortController().signal);
  return { others, attempts };
}

describe('the points of InfluxDB', () => {
  it('are told with their series, millisecond and nanosecond; those with other tags are counted', async () => {
    expect(await read(new FailingReader('influx_unreachable', 0))).toEqual({ others: 1, attempts: [FIELDS] });
  });

  it('are read from the beginning again where the answer breaks off', async () => {
    const { attempts } = await read(new FailingReader('influx_unreachable', 3));
    expect(attempts).toHaveLength(4);
    expect(attempts.at(-1)).toEqual(FIELDS);
  });

  it.each([
    ['query_failed', 1],
    ['influx_unavailable', 1_000],
  ] as const)('are given up on after %s, %i times', async (code, times) => {
    await expect(read(new FailingReader(code, times))).rejects.toMatchObject({ code });
  });
});
