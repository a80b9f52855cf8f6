import type { Check } from '../check.ts';
import { flux, string, time, type Flux } from '../flux/literals.ts';
import { formatNumber, sentences } from '../format.ts';
import { CountReader } from '../influx/count-reader.ts';
import type { InfluxReader } from '../influx/reader.ts';
import { BUCKET_ROLES, FIELD, MEASUREMENT, type BucketRole, type Schema } from '../schema/buckets.ts';
import { OFFSETS } from '../schema/identity.ts';

const DAY_MS = 86_400_000;
/** Less than a check may take. */
const ESTIMATE_MS = 3_500;

/**
 * Points of a bucket's series in a day that overwrite each other, as expected: of n points in a series each pair meets on one of the day's
 * nanoseconds with this chance, if the events spread over the day evenly and their offsets over the millisecond.
 * @param counts points of each series
 */
export const expectedOverwritten = (counts: Iterable<number>): number => {
  let pairs = 0;
  for (const count of counts) pairs += (count * (count - 1)) / 2;
  return pairs / (DAY_MS * OFFSETS);
};

/**
 * A check of leases that also says how many of yesterday's points are likely to be overwritten by others: workers that share a stream relocate
 * none (docs/adr/0016). It cannot know whether the day was repaired.
 */
export const withShortfall = (
  check: Check,
  { reader, schema, now }: { readonly reader: InfluxReader; readonly schema: Schema; readonly now: () => number },
): Check => ({
  name: check.name,
  run: async (signal) => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(ESTIMATE_MS)]);
    const [result, text] = await Promise.all([
      check.run(signal),
      shortfallText(reader, schema, now(), deadline).catch(
        () => 'How many of yesterday’s points were overwritten could not be estimated in time.',
      ),
    ]);
    return result.state === 'error' ? result : { ...result, message: sentences(result.message, text) };
  },
});

async function shortfallText(
  reader: InfluxReader,
  schema: Schema,
  nowMs: number,
  signal: AbortSignal,
): Promise<string> {
  const toMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const day = new Date(toMs - DAY_MS).toISOString().slice(0, 10);
  const counts = await Promise.all(
    BUCKET_ROLES.map(async (role) => [role, await seriesCounts(reader, schema, role, toMs, signal)] as const),
  );
  const short = counts.map(([role, all]) => `${shown(expectedOverwritten(all))} in ${schema.buckets[role]}`);
  const events = counts.find(([role]) => role === 'total')?.[1].reduce((sum, count) => sum + count, 0) ?? 0;
  return events === 0
    ? `There are no events of yesterday (${day}).`
    : `Of ${formatNumber(events)} events of ${day}, so many are likely to lack a point until "userpulse repair" has made the day exact: ${short.join(', ')}.`;
}

const shown = (value: number): string =>
  value < 0.01 ? 'less than 0.01' : value < 10 ? value.toFixed(2) : formatNumber(Math.round(value));

async function seriesCounts(
  reader: InfluxReader,
  schema: Schema,
  role: BucketRole,
  toMs: number,
  signal: AbortSignal,
): Promise<number[]> {
  const counts: number[] = [];
  const answer = new CountReader(() => (_, count) => counts.push(count));
  await reader.bytes(countScript(schema, role, toMs), (chunk) => answer.push(chunk), signal);
  answer.end();
  return counts;
}

/** A row for each series. */
const countScript = (schema: Schema, role: BucketRole, toMs: number): Flux =>
  flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: ${time(toMs - DAY_MS)}, stop: ${time(toMs)})
  |> filter(fn: (r) => r._measurement == ${string(MEASUREMENT)} and r._field == ${string(FIELD[role])})
  |> count()
  |> keep(columns: ["_value"])`;
