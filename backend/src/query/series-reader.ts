import { MAX_SERIES } from '../../../contract/limits.ts';
import { countsOf, ValueReader } from '../influx/count-reader.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Schema } from '../schema/buckets.ts';
import type { Claim } from './budget.ts';
import { readCounted, usesHours, type CountedContext } from './counted-answers.ts';
import { Counts, type Series } from './counts.ts';
import { groupsOf } from './frames.ts';
import type { KeptAnswers } from './kept-answers.ts';
import { Uniques } from './people.ts';
import { tooManySeries, type PlannedStream, type Reading, type SeriesPlan } from './plan.ts';
import { keyOf, scriptOf } from './plan-script.ts';
import type { RankingSizes } from './ranking-size.ts';
import { growsTable } from './size.ts';
import { growing } from './table-memory.ts';

/** What a query's script gave: the range as asked, and the earlier one of `compareTo`. */
export interface Counted {
  readonly now: readonly Series[];
  readonly earlier: readonly Series[] | undefined;
}

/** A stream of a script, and where its rows are counted. */
interface Sink {
  readonly stream: PlannedStream;
  readonly reading: Reading;
  readonly counts: Counts;
}

export interface SeriesReaderOptions {
  readonly influx: InfluxReader;
  readonly joined: Pick<JoinedReader, 'ask'>;
  readonly schema: Schema;
  /** Whether hours that have been counted, or are kept, are believed instead of reading their points. */
  readonly hours: boolean;
  readonly counted: CountedContext;
  readonly kept: KeptAnswers;
  readonly sizes: RankingSizes;
}

/** Reads what plans of series count: from kept hours, from counted hours, or from points. Failures are those of InfluxReader. */
export class SeriesReader {
  readonly #o: SeriesReaderOptions;

  constructor(options: SeriesReaderOptions) {
    this.#o = options;
  }

  /**
   * @param expected as {@link readPoints}
   * @param fresh nothing that was read before may be used
   */
  async read(plan: SeriesPlan, signal: AbortSignal, claim: Claim, expected: number, fresh: boolean): Promise<Counted> {
    const { hours } = this.#o;
    return (
      (hours && !fresh ? await this.#readKept(plan, signal) : undefined) ??
      (hours && usesHours(plan) ? this.#readCounted(plan, signal) : this.readPoints(plan, signal, claim, expected))
    );
  }

  /**
   * Runs the plan's script and adds up its counts, or counts its people.
   * @param expected bytes that the claim has for a table of people
   */
  async readPoints(plan: SeriesPlan, signal: AbortSignal, claim: Claim, expected: number): Promise<Counted> {
    return growsTable(plan) ? this.#readPeople(plan, signal, claim, expected) : this.#readCounts(plan, signal);
  }

  /** As {@link readPoints}, of counts, in a script that others may share. */
  async #readCounts(plan: SeriesPlan, signal: AbortSignal): Promise<Counted> {
    let sinks = sinksOf(plan);
    await this.#o.joined.ask(
      {
        key: keyOf(plan, scriptOf(plan, this.#o.schema)),
        streams: plan.now.streams.length + (plan.compare?.earlier.streams.length ?? 0),
        script: (prefix) => scriptOf(plan, this.#o.schema, prefix),
        begin: () => {
          const own = (sinks = sinksOf(plan));
          return (result, type) => {
            const { counts, stream } = own.of(result);
            return countsOf(counts.handler(stream.ids[0], type));
          };
        },
      },
      signal,
    );
    return countedOf(sinks);
  }

  /** As {@link #readCounts}, from hours that are kept where they can be. */
  async #readKept(plan: SeriesPlan, signal: AbortSignal): Promise<Counted | undefined> {
    const counts = await this.#o.kept.read(plan, signal);
    return counts === undefined ? undefined : countedOf(counts);
  }

  async #readPeople(plan: SeriesPlan, signal: AbortSignal, claim: Claim, expected: number): Promise<Counted> {
    const sinks = sinksOf(plan);
    await growing(this.#o.sizes, plan, claim, expected, async (memory) => {
      const people = new Map<Counts, Uniques>();
      const uniquesOf = ({ counts, reading: { windows } }: Sink): Uniques => {
        const known = people.get(counts);
        if (known !== undefined) return known;
        const groups = groupsOf(plan.now.windows, windows);
        const made = new Uniques({ counts, windows, groups, schema: this.#o.schema, memory });
        people.set(counts, made);
        return made;
      };
      const reader = new ValueReader((result, type) => {
        const sink = sinks.of(result);
        return uniquesOf(sink).handler(result, sink.stream.window, sink.stream.ids[0], type);
      });
      await this.#o.influx.bytes(scriptOf(plan, this.#o.schema), (chunk) => reader.push(chunk), signal);
      reader.end();
    });
    return countedOf(sinks);
  }

  /** As {@link readPoints}, of everyone, with the help of counted hours. */
  async #readCounted(plan: SeriesPlan, signal: AbortSignal): Promise<Counted> {
    const read = async (reading: Reading): Promise<Counts> => {
      const counts = new Counts(plan, reading);
      await readCounted(this.#o.counted, reading, counts, signal);
      return counts;
    };
    const [now, earlier] = await Promise.all([
      read(plan.now),
      plan.compare === undefined ? undefined : read(plan.compare.earlier),
    ]);
    return countedOf({ now, earlier });
  }
}

/** Where the rows of each result of a plan's script are counted. */
function sinksOf(plan: SeriesPlan) {
  const now = new Counts(plan, plan.now);
  const earlier = plan.compare === undefined ? undefined : new Counts(plan, plan.compare.earlier);
  const sinks = new Map<string, Sink>();
  for (const stream of plan.now.streams) sinks.set(stream.name, { stream, reading: plan.now, counts: now });
  if (earlier !== undefined && plan.compare !== undefined)
    for (const stream of plan.compare.earlier.streams)
      sinks.set(stream.name, { stream, reading: plan.compare.earlier, counts: earlier });
  return {
    now,
    earlier,
    of: (result: string): Sink => {
      const sink = sinks.get(result);
      if (sink === undefined) throw new Error(`InfluxDB answered with a result "${result}" that was not asked for.`);
      return sink;
    },
  };
}

/** @throws UserpulseError bad_request for too many series */
function countedOf({ now, earlier }: { readonly now: Counts; readonly earlier: Counts | undefined }): Counted {
  for (const counts of [now, earlier])
    if (counts !== undefined && counts.size > MAX_SERIES) throw tooManySeries(counts.size);
  return { now: now.series(), earlier: earlier?.series() };
}
