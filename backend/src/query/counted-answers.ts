import { idKindOf } from '../../../contract/presets.ts';
import { join, flux, string } from '../flux/literals.ts';
import { countStream, idScript, seriesScript, type CountStream } from '../flux/translate.ts';
import { CountReader } from '../influx/count-reader.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { Retention } from '../influx/retention.ts';
import { readHours, readHourTops } from '../rollup/counted-hours.ts';
import { formatOf, type Schema } from '../schema/buckets.ts';
import { cleanHours, type HourCounts } from '../schema/hour-counts.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import { fieldFor, LEAST_HOURS, uncounted, wholeHours } from './counted.ts';
import { firstOf, Shortlist, type IdCount } from './counted-top.ts';
import type { Counts } from './counts.ts';
import type { Reading, SeriesPlan, TopPlan } from './plan.ts';
import { createIdCounter } from './create-id-counter.ts';
import type { Range } from './validate.ts';

export interface CountedContext {
  readonly influx: InfluxReader;
  readonly schema: Schema;
  readonly retention?: Pick<Retention, 'cutoffMs'> | undefined;
  /** Epoch ms. */
  readonly now: () => number;
}

const MINUTE_MS = 60_000;
/** Ids of points that are told from each other beside those of hours. */
const POINT_IDS = 5_000;

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
  counts: Counts,
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

/** @returns what is left to be read from points */
async function addHours(
  { influx, schema }: CountedContext,
  { stream, field }: NonNullable<ReturnType<typeof streamOf>>,
  counts: Counts,
  signal: AbortSignal,
): Promise<CountStream[]> {
  const { first, end } = wholeHours(stream);
  const asked = { fromMs: first * HOUR_MS, toMs: end * HOUR_MS, field };
  const read = await readHours(influx, asked, schema, signal);
  const clean = cleanHours(read.marks, read.counts);
  const { ranges, hours } = uncounted(stream, new Set(clean.keys()));
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
  const { influx, schema } = context;
  const { of, types, n } = plan;
  const { first, end } = wholeHours(plan);
  if (end - first < LEAST_HOURS) return undefined;
  const asked = { fromMs: first * HOUR_MS, toMs: end * HOUR_MS };
  const read = await readHours(influx, { ...asked, field: 'counts' }, schema, signal);
  const clean = cleanHours(read.marks, read.counts);
  const { ranges, hours } = uncounted(plan, new Set(clean.keys()));
  if (hours.length < LEAST_HOURS) return undefined;

  const list = new Shortlist(memory);
  const missing = listsOf(hours, clean, types);
  await readHourTops(
    influx,
    { ...asked, of, types },
    schema,
    ({ hour, type, seal, ids, bound }) => {
      if (clean.get(hour)?.seal === seal && missing.delete(`${hour} ${type}`)) list.add(ids, bound);
    },
    signal,
  );
  if (missing.size > 0) return undefined;
  if (ranges.length > 0) {
    const counter = createIdCounter(idKindOf(of), schema, { memory });
    await influx.bytes(idsOf(plan, ranges, schema), (chunk) => counter.push(chunk), signal);
    counter.end();
    const ids = counter.top(POINT_IDS + 1);
    list.add(ids.slice(0, POINT_IDS), ids[POINT_IDS]?.count ?? 0);
  }
  const candidates = list.candidates(n);
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
  return firstOf(counts, n, formatOf(idKindOf(of), schema).stored);
}

/** `hour type` of every list that is needed. */
function listsOf(hours: readonly Hour[], clean: ReadonlyMap<Hour, HourCounts>, types: readonly string[]): Set<string> {
  const wanted = new Set(types);
  const lists = new Set<string>();
  for (const hour of hours)
    for (const type of clean.get(hour)?.types.keys() ?? [])
      if (wanted.size === 0 || wanted.has(type)) lists.add(`${hour} ${type}`);
  return lists;
}

const idsOf = (plan: TopPlan, ranges: readonly Range[], schema: Schema) =>
  join(
    ranges.map(
      ({ fromMs, toMs }, at) => flux`${idScript({ preset: plan.of, types: plan.types, fromMs, toMs }, schema)}
  |> yield(name: ${string(`ids ${at + 1}`)})`,
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
