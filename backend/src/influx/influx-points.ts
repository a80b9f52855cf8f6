import type { Logger } from 'pino';
import type { IdRole } from '../../../contract/roles.ts';
import { errorOf } from '../check.ts';
import type { Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import type { Flux } from '../flux/literals.ts';
import { anyScript, namingScript, placesScript, prefixScript } from '../flux/points.ts';
import { pointsScript } from '../flux/translate.ts';
import { OutageLog, retrying } from '../retry.ts';
import { FIELD, MEASUREMENT, PART_TAG, PREFIX_TAG, TYPE_TAG, type BucketRole, type Schema } from '../schema/buckets.ts';
import { HOUR_TOP_MEASUREMENT } from '../schema/hour-counts.ts';
import { HOUR_MS } from '../schema/hour-marks.ts';
import { seriesOf, tagsOf } from '../schema/points.ts';
import { callInflux, type InfluxTarget } from './api.ts';
import type { RowHandler } from './csv.ts';
import { influxUnreachable, refusalOf } from './influx-check.ts';
import type { InfluxReader } from './reader.ts';
import type { NamedId, NamingPoints, PointPlace, StoredField, StoredPoints, TimeRange } from './stored-points.ts';

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
/** Of one query. */
const PLACES_AT_ONCE = 100;
const MS_DIGITS = 3;
const NS_DIGITS = 9;

const timeOf = ({ ms, offsetNs }: Pick<PointPlace, 'ms' | 'offsetNs'>): string =>
  `${new Date(ms).toISOString().slice(0, -1)}${String(offsetNs).padStart(NS_DIGITS - MS_DIGITS, '0')}Z`;

const placeText = ({ series, ms, offsetNs }: PointPlace): string => `${series} ${ms} ${offsetNs}`;

export interface InfluxPointsOptions {
  readonly target: InfluxTarget;
  readonly reader: InfluxReader;
  readonly schema: Schema;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The points of InfluxDB, through Flux and its API for deletes. */
export class InfluxPoints implements StoredPoints, NamingPoints {
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
    const script = pointsScript(role, range, this.#options.schema);
    return this.#untilDone(role, () => this.#read(role, script, begin(), signal), signal);
  }

  async naming(
    role: BucketRole,
    id: NamedId,
    range: TimeRange,
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number> {
    const script = namingScript(role, id, range, this.#options.schema);
    if (script === undefined) return 0;
    return this.#untilDone(role, () => this.#read(role, script, begin(), signal), signal);
  }

  ofPrefix(
    role: IdRole,
    id: string,
    range: TimeRange,
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number> {
    const script = prefixScript(role, id, range, this.#options.schema);
    return this.#untilDone(role, () => this.#read(role, script, begin(), signal), signal);
  }

  any(role: BucketRole, range: TimeRange, signal: AbortSignal): Promise<boolean> {
    const { reader, schema } = this.#options;
    return this.#untilDone(
      role,
      async () => {
        let found = false;
        await reader.rows(anyScript(role, range, schema), () => () => (found = true), signal);
        return found;
      },
      signal,
    );
  }

  async taken(role: BucketRole, places: readonly PointPlace[], signal: AbortSignal): Promise<ReadonlySet<PointPlace>> {
    const taken = new Set<PointPlace>();
    for (let at = 0; at < places.length; at += PLACES_AT_ONCE) {
      const some = places.slice(at, at + PLACES_AT_ONCE);
      const byText = new Map(some.map((place) => [placeText(place), place]));
      const script = placesScript(role, some, this.#options.schema);
      const onField = (field: StoredField): void => {
        const place = byText.get(placeText(field));
        if (place !== undefined) taken.add(place);
      };
      await this.#untilDone(role, () => this.#read(role, script, onField, signal), signal);
    }
    return taken;
  }

  async remove(role: BucketRole, from: PointPlace, signal: AbortSignal, to = from): Promise<void> {
    const tests = [`_measurement="${MEASUREMENT}"`, ...tagsOf(from.series).map(([tag, value]) => `${tag}="${value}"`)];
    await this.#delete(role, timeOf(from), timeOf(to), tests.join(' AND '), signal);
  }

  async removeTops(hours: readonly number[], signal: AbortSignal): Promise<void> {
    for (const hour of hours) {
      const at = timeOf({ ms: hour * HOUR_MS, offsetNs: 0 });
      await this.#delete('total', at, at, `_measurement="${HOUR_TOP_MEASUREMENT}"`, signal);
    }
  }

  /** @param start both ends are included */
  async #delete(role: BucketRole, start: string, stop: string, predicate: string, signal: AbortSignal): Promise<void> {
    const { target, schema } = this.#options;
    const call = {
      method: 'POST',
      path: 'api/v2/delete',
      query: { org: target.org, bucket: schema.buckets[role] },
      body: JSON.stringify({ start, stop, predicate }),
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
    script: Flux,
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
    await this.#options.reader.rows(script, onTable, signal);
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
