import type { IdPreset } from '../../../contract/presets.ts';
import { countStream, idRowsStream, type CountStream } from '../flux/translate.ts';
import { countsOf } from '../influx/count-reader.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import type { Schema } from '../schema/buckets.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import type { Draft, KeptHours } from './kept-hours.ts';
import { keepUntilDone, unsent, UnsentReads, type Unsent } from './unsent-reads.ts';

/** Ids whose points of an hour are read in one stream. */
const MOST_IDS = 40;
/** Points of an id in an hour that are read one by one. */
const MOST_ROWS = 10_000;

/** A count at an instant, or of a grain that begins then. */
export interface Row {
  readonly type: string;
  readonly ms: number;
  readonly count: number;
}

/** The points of an id in an hour; undefined where there are too many to be read one by one. */
type IdRows = readonly Row[] | undefined;

/** What is kept of single points, by their ms: of an id, whatever types and windows are asked for. */
export const pointsKey = (preset: IdPreset, id: string): string => JSON.stringify(['points', preset, id]);
export const POINT_GRAIN_MS = 1;

/**
 * Short reads beside kept hours, each for all who ask before it is sent. A stream costs InfluxDB about a millisecond, whatever it finds: the points of
 * one hour of several ids come as rows in one, and are told apart here.
 */
export class HourRows {
  readonly #joined: Pick<JoinedReader, 'ask'>;
  readonly #kept: KeptHours;
  readonly #schema: Schema;
  readonly #ids = new Map<string, { readonly ids: Set<string>; readonly read: Unsent<ReadonlyMap<string, IdRows>> }>();
  readonly #counts = new UnsentReads<string, readonly Row[]>();

  constructor(joined: Pick<JoinedReader, 'ask'>, kept: KeptHours, schema: Schema) {
    this.#joined = joined;
    this.#kept = kept;
    this.#schema = schema;
  }

  /** The points of an id in a whole hour, which are kept. @throws as JoinedReader.ask */
  async points(preset: IdPreset, id: string, hour: Hour): Promise<IdRows> {
    const key = `${preset} ${hour}`;
    let asked = this.#ids.get(key);
    if (asked === undefined || asked.read.sent || asked.ids.size >= MOST_IDS) {
      const ids = new Set<string>();
      asked = { ids, read: unsent((sent) => this.#readIds(preset, ids, hour, sent)) };
      keepUntilDone(this.#ids, key, asked, asked.read);
    }
    asked.ids.add(id);
    return (await asked.read.done).get(id);
  }

  /**
   * Counts of a short stream.
   * @param draft of what is to be kept of it, begun when the read is
   * @throws as JoinedReader.ask
   */
  counts(stream: CountStream, draft: () => Draft): Promise<readonly Row[]> {
    const { preset, types, grain, fromMs, toMs } = stream;
    const key = JSON.stringify([preset, types, grain, fromMs, toMs]);
    return this.#counts.ask(key, (sent) => this.#readCounts(stream, draft, sent));
  }

  async #readIds(
    preset: IdPreset,
    ids: ReadonlySet<string>,
    hour: Hour,
    sent: () => void,
  ): Promise<ReadonlyMap<string, IdRows>> {
    let rows = new Map<string, Row[] | undefined>();
    let drafts = new Map<string, Draft>();
    const drop = (): void => {
      for (const draft of drafts.values()) draft.drop();
    };
    const span = [{ first: hour, end: hour + 1 }];
    const decoder = new TextDecoder();
    try {
      await this.#joined.ask(
        {
          key: `points ${preset}`,
          streams: 1,
          script: (prefix) => {
            sent();
            const range = { fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS };
            return idRowsStream({ name: `${prefix}points`, preset, ids: [...ids], ...range }, this.#schema);
          },
          begin: () => {
            drop();
            sent();
            rows = new Map([...ids].map((id) => [id, []]));
            drafts = new Map([...ids].map((id) => [id, this.#kept.draft(pointsKey(preset, id), span, POINT_GRAIN_MS)]));
            return (_, type) => (ms, bytes, from, to) => {
              const id = decoder.decode(bytes.subarray(from, to));
              const own = rows.get(id);
              if (own === undefined || ms === null) return rows.has(id);
              if (own.length >= MOST_ROWS) {
                rows.set(id, undefined);
                drafts.get(id)?.drop();
                return true;
              }
              own.push({ type, ms, count: 1 });
              drafts.get(id)?.add(type, ms, 1);
              return true;
            };
          },
        },
        undefined,
      );
      for (const draft of drafts.values()) draft.keep();
    } finally {
      drop();
    }
    return rows;
  }

  async #readCounts(stream: CountStream, draftOf: () => Draft, sent: () => void): Promise<readonly Row[]> {
    let rows: Row[] = [];
    let draft: Draft | undefined;
    try {
      await this.#joined.ask(
        {
          key: 'counts',
          streams: 1,
          script: (prefix) => {
            sent();
            return countStream({ ...stream, name: `${prefix}counts` }, this.#schema);
          },
          begin: () => {
            draft?.drop();
            draft = draftOf();
            rows = [];
            return (_, type) =>
              countsOf((ms, count) => {
                if (ms === null) throw new Error('A count of an hour came without its time.');
                rows.push({ type, ms, count });
                draft?.add(type, ms, count);
              });
          },
        },
        undefined,
      );
      draft?.keep();
    } finally {
      draft?.drop();
    }
    return rows;
  }
}
