import type { Logger } from 'pino';
import { errorOf } from '../check.ts';
import type { Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { pointsScript } from '../flux/translate.ts';
import { OutageLog, retrying } from '../retry.ts';
import { FIELD, MEASUREMENT, PART_TAG, PREFIX_TAG, TYPE_TAG, type BucketRole, type Schema } from '../schema/buckets.ts';
import { seriesOf } from '../schema/points.ts';
import { callInflux, type InfluxTarget } from './api.ts';
import type { RowHandler } from './csv.ts';
import { influxUnreachable, refusalOf } from './influx-check.ts';
import type { InfluxReader } from './reader.ts';
import type { PointPlace, StoredField, StoredPoints, TimeRange } from './stored-points.ts';

/** Columns of our points; '' is the first column of every row. */
const OURS: ReadonlySet<string> = new Set([
  '',
  'result',
  'table',
  '_time',
  '_value',
  '_field',
  TYPE_TAG,
  PREFIX_TAG,
  PART_TAG,
]);
/** What passes by itself. */
const TRANSIENT: ReadonlySet<string> = new Set(['influx_unreachable', 'influx_unavailable']);
/** In a row, with waits of a few seconds: two minutes. */
const MAX_ATTEMPTS = 48;
const MS_DIGITS = 3;
const NS_DIGITS = 9;

export interface InfluxPointsOptions {
  readonly target: InfluxTarget;
  readonly reader: InfluxReader;
  readonly schema: Schema;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The points of InfluxDB, through Flux and its API for deletes. */
export class InfluxPoints implements StoredPoints {
  readonly #options: InfluxPointsOptions;
  readonly #outage: OutageLog;

  constructor(options: InfluxPointsOptions) {
    this.#options = options;
    this.#outage = new OutageLog('influxdb', options.logger, options.clock);
  }

  read(
    role: BucketRole,
    range: TimeRange,
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number> {
    return this.#untilDone(role, () => this.#read(role, range, begin(), signal), signal);
  }

  async remove(role: BucketRole, { series, ms, offsetNs }: PointPlace, signal: AbortSignal): Promise<void> {
    const { target, schema } = this.#options;
    // Both ends are included.
    const at = `${new Date(ms).toISOString().slice(0, -1)}${String(offsetNs).padStart(NS_DIGITS - MS_DIGITS, '0')}Z`;
    const tags = series.split(',').slice(1);
    const tests = [`_measurement="${MEASUREMENT}"`, ...tags.map((tag) => tag.replace(/^([^=]+)=(.*)$/, '$1="$2"'))];
    const call = {
      method: 'POST',
      path: 'api/v2/delete',
      query: { org: target.org, bucket: schema.buckets[role] },
      body: JSON.stringify({ start: at, stop: at, predicate: tests.join(' AND ') }),
      contentType: 'application/json',
    } as const;
    await this.#untilDone(
      role,
      async () => {
        const { status, text } = await callInflux(target, call, signal);
        const refusal = refusalOf(target, status, text);
        if (refusal !== undefined) throw errorOf(refusal, undefined);
      },
      signal,
    );
  }

  async #read(
    role: BucketRole,
    range: TimeRange,
    onField: (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number> {
    let others = 0;
    const onTable = (columns: readonly string[]): RowHandler => {
      const index = (name: string): number => columns.indexOf(name);
      const [time, value, field, type] = [index('_time'), index('_value'), index('_field'), index(TYPE_TAG)];
      const [prefix, part] = [index(PREFIX_TAG), index(PART_TAG)];
      const foreign = columns.flatMap((name, at) => (OURS.has(name) ? [] : [at]));
      const seconds = new Seconds();
      return (row) => {
        const name = row[field] ?? '';
        if (foreign.some((at) => (row[at] ?? '') !== '')) {
          if (name === FIELD[role]) others++;
          return;
        }
        const tags = { type: row[type] ?? '', prefix: row[prefix] ?? '', part: row[part] ?? '' };
        onField({ series: seriesOf(tags), ...seconds.parse(row[time] ?? ''), field: name, value: row[value] ?? '' });
      };
    };
    const { reader, schema } = this.#options;
    await reader.rows(pointsScript(role, range, schema), onTable, signal);
    return others;
  }

  async #untilDone<T>(role: BucketRole, attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const done = await retrying(attempt, {
      clock: this.#options.clock,
      signal,
      classify: (error, failures) => {
        const known =
          error instanceof UserpulseError ? error : errorOf(influxUnreachable(this.#options.target, error), error);
        if (!TRANSIENT.has(known.code) || failures + 1 >= MAX_ATTEMPTS) return { kind: 'give_up', error: known };
        return { kind: 'retry', reason: known.code, message: known.message };
      },
      onRetry: ({ reason, message }) => this.#outage.failed(reason, message, role),
    });
    this.#outage.succeeded(role);
    return done;
  }
}

/** Reads times such as 2012-07-01T00:02:52.123456789Z, which have as many digits as are not zero; most have the second of the one before. */
class Seconds {
  #text = '';
  #ms = 0;

  parse(time: string): { readonly ms: number; readonly offsetNs: number } {
    const text = time.slice(0, 19);
    if (text !== this.#text) {
      this.#text = text;
      this.#ms = Date.parse(`${text}Z`);
    }
    const digits = time.slice(20, -1).padEnd(NS_DIGITS, '0');
    return { ms: this.#ms + Number(digits.slice(0, MS_DIGITS)), offsetNs: Number(digits.slice(MS_DIGITS)) };
  }
}
