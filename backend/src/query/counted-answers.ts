import { idKindOf } from '../../../contract/presets.ts';
import { join, flux, string, type Flux } from '../flux/literals.ts';
import type { HoursAsked } from '../flux/hours.ts';
import { countStream, idScript, seriesScript, type CountStream } from '../flux/translate.ts';
import { CountReader } from '../influx/count-reader.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Retention } from '../influx/retention.ts';
import { hoursQuestion, readHourTops, type HoursRead } from '../rollup/counted-hours.ts';
import { formatOf, type Schema } from '../schema/buckets.ts';
import { cleanHours, type HourCounts, type HourTop } from '../schema/hour-counts.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import { fieldFor, LEAST_HOURS, uncounted, wholeHours } from './counted.ts';
import { firstOf, Shortlist, type AllCounts, type IdCount } from './counted-top.ts';
import type { Counts } from './counts.ts';
import type { HourSeals } from './hour-seals.ts';
import { IdsFrom, readHourIds, type KeptLists } from './kept-lists.ts';
import type { Reading, SeriesPlan, TopPlan } from './plan.ts';
import { createIdCounter } from './create-id-counter.ts';
import type { Range } from './validate.ts';

export interface CountedContext {
  readonly influx: InfluxReader;
  readonly joined: Pick<JoinedReader, 'ask'>;
  readonly schema: Schema;
  readonly retention?: Pick<Retention, 'cutoffMs'> | undefined;
  /** Epoch ms. */
  readonly now: () => number;
  /** Absent: every list is read. */
  readonly lists?: KeptLists | undefined;
  /** For {@link lists}; absent: nobody asks what is kept. */
  readonly seals?: Pick<HourSeals, 'knows' | 'look' | 'sealOf'> | undefined;
}

const MINUTE_MS = 60_000;
/** Of a kept id that is counted, in bytes. */
export const COUNTED_ID_BYTES = 8;
/** Points of an hour whose ids are kept, so that any part of it can be ranked. */
export const MOST_HEAD_POINTS = 200_000;

/** Whether {@link readCounted} may have less to read than all points. */
export const usesHours = (plan: SeriesPlan): boolean =>
  [plan.now, ...(plan.compare === undefined ? [] : [plan.compare.earlier])].some(
    (reading) => streamOf(reading) !== undefined,
  );

/** The one stream of a reading, and which counts of hours it can use. */
function streamOf({ streams }: Reading) {
  const [stream] = streams;
  const field = stream?.kind === 'counts' && streams.length === 1 ? fieldFor(stream) : undefined;
  return stream?.kind !== 'counts' || field === undefined ? undefined : { stream, field };
}

/** Adds up everyone's counts of a reading, from counted hours where they are clean, and else from points. */
export async function readCounted(
  context: CountedContext,
  reading: Reading,
  counts: Pick<Counts, 'handler'>,
  signal: AbortSignal,
): Promise<void> {
  const { influx, schema } = context;
  const used = streamOf(reading);
  const streams =
    used === undefined
      ? reading.streams.filter((stream): stream is CountStream & typeof stream => stream.kind === 'counts')
      : await addHours(context, used, counts, signal);
  if (streams.length === 0) return;
  const reader = new CountReader((_, type) => counts.handler(undefined, type));
  await influx.bytes(seriesScript(streams, schema), (chunk) => reader.push(chunk), signal);
  reader.end();
}

async function readHours(
  { joined, schema }: CountedContext,
  asked: HoursAsked,
  signal: AbortSignal,
): Promise<HoursRead> {
  const question = hoursQuestion(asked, schema);
  await joined.ask(question, signal);
  return question.read();
}

/** @returns what is left to be read from points */
async function addHours(
  context: CountedContext,
  { stream, field }: NonNullable<ReturnType<typeof streamOf>>,
  counts: Pick<Counts, 'handler'>,
  signal: AbortSignal,
): Promise<CountStream[]> {
  const { first, end } = wholeHours(stream);
  const asked = { fromMs: first * HOUR_MS, toMs: end * HOUR_MS, field };
  const read = await readHours(context, asked, signal);
  const clean = cleanHours(read.marks, read.counts);
  const { ranges, hours } = uncounted(stream, ascending(clean.keys()));
  const wanted = new Set(stream.types);
  for (const hour of hours)
    for (const [type, numbers] of clean.get(hour)?.types ?? []) {
      if (wanted.size > 0 && !wanted.has(type)) continue;
      const add = counts.handler(undefined, type);
      numbers.forEach((count, minute) => {
        if (count > 0) add(stream.grain === null ? null : hour * HOUR_MS + minute * MINUTE_MS, count);
      });
    }
  return ranges.map((range, at) => ({ ...stream, ...range, name: `${stream.name} ${at + 1}` }));
}

/**
 * The first ids of a range, with the help of counted hours.
 * @param memory told how many bytes more or less are taken
 * @returns undefined where hours do not help: the points are to be counted, all of them
 */
export async function rankCounted(
  context: CountedContext,
  plan: TopPlan,
  memory: (change: number) => void,
  signal: AbortSignal,
): Promise<readonly IdCount[] | undefined> {
  const { influx, schema, lists, seals } = context;
  const { of, types } = plan;
  const { first, end } = wholeHours(plan);
  if (end - first < LEAST_HOURS) return undefined;
  // With the hour that the range begins in.
  const span = { first: first - 1, end };
  const asked = { fromMs: span.first * HOUR_MS, toMs: span.end * HOUR_MS };
  // In the same script, for those who ask next: kept-rankings.ts.
  if (lists !== undefined && seals?.knows(span) === false) seals.look(span).catch(() => undefined);
  const read = await readHours(context, { ...asked, field: 'counts' }, signal);
  const clean = cleanHours(read.marks, read.counts);
  for (const counts of clean.values()) lists?.keepCounts(counts);
  const head = clean.get(first - 1);
  clean.delete(first - 1);
  const { ranges: all, hours } = uncounted(plan, ascending(clean.keys()));
  if (hours.length < LEAST_HOURS) return undefined;

  const missing = listsOf(hours, clean, types);
  const kept: HourTop[] = [];
  for (const [key, { hour, type, seal }] of missing) {
    const list = lists?.list(of, hour, type, seal);
    if (list === undefined) continue;
    missing.delete(key);
    kept.push(list);
  }
  const list = new Shortlist(memory, missing.size === 0 ? lists?.sum(of, types, kept) : undefined);
  if (missing.size > 0) {
    for (const each of kept) list.add(each);
    const without = new Set([...missing.values()].map(({ hour }) => hour));
    await readHourTops(
      influx,
      { fromMs: Math.min(...without) * HOUR_MS, toMs: (Math.max(...without) + 1) * HOUR_MS, of, types },
      schema,
      (top) => {
        const key = `${top.hour} ${top.type}`;
        if (missing.get(key)?.seal !== top.seal) return;
        missing.delete(key);
        list.add(top);
        lists?.keepList(of, top);
      },
      signal,
    );
  }
  if (missing.size > 0) return undefined;
  const atHead = await readHead(context, plan, head, all, memory, signal);
  const beside: AllCounts[] = atHead === undefined ? [] : [atHead];
  const ranges = atHead === undefined ? all : all.slice(1);
  if (ranges.length > 0) {
    const counter = createIdCounter(idKindOf(of), schema, { memory });
    await influx.bytes(idsOf(plan, ranges, schema), (chunk) => counter.push(chunk), signal);
    counter.end();
    beside.push(counter);
  }
  return firstOn(context, plan, list, beside, signal);
}

/**
 * The first ids of a range.
 * @param list of its hours that are counted
 * @param beside what else there is
 * @returns undefined where it does not say which they are
 */
export async function firstOn(
  context: CountedContext,
  plan: TopPlan,
  list: Shortlist,
  beside: readonly AllCounts[],
  signal: AbortSignal,
): Promise<readonly IdCount[] | undefined> {
  const { of, n } = plan;
  const candidates = list.candidates(n, beside);
  if (candidates === undefined) return undefined;
  const unsure = candidates.filter(({ least, most }) => least < most);
  const exact =
    unsure.length === 0
      ? new Map<string, number>()
      : await lookUp(
          context,
          plan,
          unsure.map(({ id }) => id),
          signal,
        );
  if (exact === undefined) return undefined;
  const counts = candidates.map(({ id, least }) => ({ id, count: exact.get(id) ?? least }));
  return firstOf(counts, n, formatOf(idKindOf(of), context.schema).stored);
}

/**
 * The ids of the part of an hour that a range begins with, from all points of the hour, which are kept.
 * @param head what is counted of the hour, where it is clean
 * @param ranges that are to be read from points
 * @returns undefined where it is not to be read so
 */
async function readHead(
  { influx, schema, lists }: CountedContext,
  { of, types, fromMs }: TopPlan,
  head: HourCounts | undefined,
  [range]: readonly Range[],
  memory: (change: number) => void,
  signal: AbortSignal,
): Promise<AllCounts | undefined> {
  const hour = Math.floor(fromMs / HOUR_MS);
  if (lists === undefined || head?.hour !== hour || range?.fromMs !== fromMs || range.toMs !== (hour + 1) * HOUR_MS)
    return undefined;
  const { seal } = head;
  if (pointsOf(head) > MOST_HEAD_POINTS) return undefined;
  let ids = lists.ids(of, hour, types, seal);
  if (ids === undefined) {
    ids = await readHourIds(influx, { of, hour, types, seal }, schema, memory, signal);
    lists.keepIds(of, hour, types, ids);
  } else memory(ids.numbers.size * COUNTED_ID_BYTES);
  return new IdsFrom(ids, fromMs - hour * HOUR_MS);
}

const ascending = (hours: Iterable<Hour>): Hour[] => [...hours].sort((a, b) => a - b);

/** Points of an hour. */
export const pointsOf = ({ types }: HourCounts): number =>
  [...types.values()].reduce((sum, [count = 0]) => sum + count, 0);

type ListOf = Pick<HourTop, 'hour' | 'type' | 'seal'>;

/** Every list that is needed, by `hour type`. */
function listsOf(
  hours: readonly Hour[],
  clean: ReadonlyMap<Hour, HourCounts>,
  types: readonly string[],
): Map<string, ListOf> {
  const wanted = new Set(types);
  const lists = new Map<string, ListOf>();
  for (const hour of hours) {
    const counts = clean.get(hour);
    for (const type of counts?.types.keys() ?? [])
      if (counts !== undefined && (wanted.size === 0 || wanted.has(type)))
        lists.set(`${hour} ${type}`, { hour, type, seal: counts.seal });
  }
  return lists;
}

/** All ids of some ranges. @param prefix of the names of its results */
export const idsOf = (plan: TopPlan, ranges: readonly Range[], schema: Schema, prefix = ''): Flux =>
  join(
    ranges.map(
      ({ fromMs, toMs }, at) => flux`${idScript({ preset: plan.of, types: plan.types, fromMs, toMs }, schema)}
  |> yield(name: ${string(`${prefix}ids ${at + 1}`)})`,
    ),
    flux`

`,
  );

/** How often some ids occur in the whole range, from the bucket of their prefixes. @returns undefined where it does not reach back as far */
async function lookUp(
  { influx, schema, retention, now }: CountedContext,
  { of, types, fromMs, toMs }: TopPlan,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number> | undefined> {
  const keptSinceMs = retention === undefined ? -Infinity : await retention.cutoffMs(of, now(), signal);
  if (keptSinceMs === undefined || fromMs < keptSinceMs) return undefined;
  const counts = new Map(ids.map((id) => [id, 0]));
  const streams = ids.map((id) =>
    countStream({ kind: 'counts', name: id, preset: of, ids: [id], types, fromMs, toMs, grain: null }, schema),
  );
  const reader = new CountReader((id) => (_, count) => counts.set(id, (counts.get(id) ?? 0) + count));
  await influx.bytes(
    join(
      streams,
      flux`

`,
    ),
    (chunk) => reader.push(chunk),
    signal,
  );
  reader.end();
  return counts;
}
