import type { RankedRole } from '../../../contract/roles.ts';
import { HOURS, hoursScript, MARKS, topsScript, type HoursAsked, type TopsAsked } from '../flux/hours.ts';
import { countStream, idScript } from '../flux/translate.ts';
import { CountReader, ValueReader } from '../influx/count-reader.ts';
import type { JoinableQuestion } from '../influx/joined-reader.ts';
import type { PointSink } from '../influx/point-sink.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Schema } from '../schema/buckets.ts';
import { parseHour, parseHourTop, type HourCounts, type HourTop } from '../schema/hour-counts.ts';
import { HOUR_MS, marksByHour, readMark, type Hour, type Mark, type Marks } from '../schema/hour-marks.ts';
import { LineBlock } from '../schema/line-block.ts';

const MINUTE_MS = 60_000;

export interface HoursRead {
  readonly marks: Marks;
  readonly counts: readonly HourCounts[];
}

/** Port: marks, points and counts of whole hours. Failures are those of InfluxReader and PointSink. */
export interface CountedHours {
  read(asked: HoursAsked, signal: AbortSignal): Promise<HoursRead>;
  /** Counts the points of an hour: a count for each minute and type. */
  countMinutes(
    hour: Hour,
    add: (type: string, minute: number, count: number) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Every id of the points of an hour, in any order. */
  readIds(of: RankedRole, hour: Hour, add: (type: string, id: string) => void, signal: AbortSignal): Promise<void>;
  /** @throws Error where InfluxDB refuses a line */
  writeLines(lines: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Reading alone, in a script of its own. */
export async function readHours(
  influx: Pick<InfluxReader, 'bytes'>,
  asked: HoursAsked,
  schema: Schema,
  signal: AbortSignal,
): Promise<HoursRead> {
  const question = hoursQuestion(asked, schema);
  const reader = new ValueReader(question.begin());
  await influx.bytes(question.script(''), (chunk) => reader.push(chunk), signal);
  reader.end();
  return question.read();
}

/** As {@link readHours}, as queries need it: in a script that others may share. */
export const hoursQuestion = (asked: HoursAsked, schema: Schema): JoinableQuestion & HoursAnswer => ({
  key: 'hours',
  streams: asked.field === undefined ? 1 : 2,
  script: (prefix) => hoursScript(asked, schema, prefix),
  ...hoursAnswer(asked.field),
});

/** Reads the answer of a script of hours. */
export type HoursAnswer = Pick<JoinableQuestion, 'begin'> & {
  /** What was read since the last beginning. */
  readonly read: () => HoursRead;
};

export function hoursAnswer(field: HoursAsked['field']): HoursAnswer {
  let marks: Mark[] = [];
  let counts: HourCounts[] = [];
  const decoder = new TextDecoder();
  const keep = <T>(list: T[], value: T | undefined): boolean => {
    // A text that is none of ours says nothing, and neither does its hour.
    if (value !== undefined) list.push(value);
    return true;
  };
  const text = (bytes: Uint8Array, from: number, to: number): string => decoder.decode(bytes.subarray(from, to));
  return {
    begin: () => {
      marks = [];
      counts = [];
      return (result) => {
        switch (result) {
          case MARKS:
            return (_, ...value) => keep(marks, readMark(...value));
          case HOURS:
            return (_, ...value) => keep(counts, parseHour(text(...value), field ?? 'counts'));
          default:
            throw new Error(`InfluxDB answered with a result "${result}" that was not asked for.`);
        }
      };
    },
    read: () => ({ marks: marksByHour(marks), counts }),
  };
}

/** The first ids of hours and types, one list after the other: a year has more of them than should be held at a time. */
export async function readHourTops(
  influx: Pick<InfluxReader, 'bytes'>,
  asked: TopsAsked,
  schema: Schema,
  onTop: (top: HourTop) => void,
  signal: AbortSignal,
): Promise<void> {
  const decoder = new TextDecoder();
  const reader = new ValueReader((_, type) => (__, bytes, from, to) => {
    const top = parseHourTop(decoder.decode(bytes.subarray(from, to)), type);
    if (top !== undefined) onTop(top);
    return true;
  });
  await influx.bytes(topsScript(asked, schema), (chunk) => reader.push(chunk), signal);
  reader.end();
}

export class InfluxHours implements CountedHours {
  readonly #influx: InfluxReader;
  readonly #sink: Pick<PointSink, 'write'>;
  readonly #schema: Schema;

  /** @param sink that marks nothing */
  constructor(influx: InfluxReader, sink: Pick<PointSink, 'write'>, schema: Schema) {
    this.#influx = influx;
    this.#sink = sink;
    this.#schema = schema;
  }

  read(asked: HoursAsked, signal: AbortSignal): Promise<HoursRead> {
    return readHours(this.#influx, asked, this.#schema, signal);
  }

  async countMinutes(
    hour: Hour,
    add: (type: string, minute: number, count: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const range = { fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS };
    const script = countStream(
      {
        kind: 'counts',
        name: 'hour',
        preset: 'everyone',
        ids: [],
        types: [],
        ...range,
        grain: { everyMs: MINUTE_MS, offsetMs: 0 },
      },
      this.#schema,
    );
    const reader = new CountReader((_, type) => (ms, count) => {
      if (ms === null) throw new Error('A count of a minute came without its time.');
      add(type, Math.floor((ms - range.fromMs) / MINUTE_MS), count);
    });
    await this.#influx.bytes(script, (chunk) => reader.push(chunk), signal);
    reader.end();
  }

  async readIds(
    of: RankedRole,
    hour: Hour,
    add: (type: string, id: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const range = { fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS };
    const script = idScript({ preset: of, types: [], ...range, typed: true }, this.#schema);
    await this.#influx.rows(
      script,
      (columns) => {
        const [value, type] = [columns.indexOf('_value'), columns.indexOf('type')];
        return (row) => add(row[type] ?? '', row[value] ?? '');
      },
      signal,
    );
  }

  async writeLines(lines: readonly string[], signal: AbortSignal): Promise<void> {
    const [refused] = await this.#sink.write('total', LineBlock.of(lines), signal);
    if (refused !== undefined) throw new Error(`InfluxDB refuses what was counted of an hour: ${refused.reason}`);
  }
}
