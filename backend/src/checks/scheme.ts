import { UserpulseError } from '../errors.ts';
import { duration, flux, string } from '../flux/literals.ts';
import type { InfluxReader } from '../influx/reader.ts';
import {
  FIELD,
  MEASUREMENT,
  prefixOf,
  prefixSchemeText,
  schemeOf,
  type IdPreset,
  type PrefixScheme,
  type Schema,
} from '../schema/buckets.ts';
import { failed, passed, warned, type Check, type CheckResult } from '../check.ts';
import { judgeScheme, schemesThatExplain, spreadText } from './spread.ts';

const ROLES = ['made', 'received', 'share'] as const satisfies readonly IdPreset[];
const SETTING: Readonly<Record<IdPreset, string>> = {
  made: 'USERPULSE_USER_PREFIX',
  received: 'USERPULSE_USER_PREFIX',
  share: 'USERPULSE_SHARE_PREFIX',
};

/**
 * Looked at in turn, in ms, until there are enough points: a busy system is judged by its last second, a quiet one by its week. Steps are
 * smaller than {@link MOST} / {@link ENOUGH}, so that a steady stream never goes from too few points to too many.
 */
const LOOK_BACK_MS = [1_000, 5_000, 30_000, 180_000, 1_200_000, 7_200_000, 43_200_000, 259_200_000, 604_800_000];
/** Points that are enough. */
const ENOUGH = 2_000;
/** Points after which a reading is broken off. */
const MOST = 20_000;
/** Distinct shares on one prefix beyond which each share's query reads too much of others. */
const MOST_SHARES = 5_000;

export interface Sample {
  readonly points: readonly { readonly id: string; readonly prefix: string }[];
  /** All points of a time. A reading that was broken off holds only the first prefixes, and says nothing of how ids spread. */
  readonly whole: boolean;
}
const NOTHING: Sample = { points: [], whole: true };

/**
 * Compares the prefix tags of recent points with the configured scheme. Data written under another scheme is an error, because queries
 * then find nothing and say so to nobody; a scheme that spreads the ids badly is a warning.
 */
export function schemeCheck(reader: InfluxReader, schema: Schema): Check {
  return {
    name: 'scheme',
    run: async (signal) => {
      let samples: ReadonlyMap<IdPreset, Sample>;
      try {
        samples = new Map(
          await Promise.all(ROLES.map(async (role) => [role, await sample(reader, role, schema, signal)] as const)),
        );
      } catch (error) {
        return warned(
          'scheme',
          `The prefix scheme could not be checked: ${error instanceof Error ? error.message : String(error)}`,
          'The check needs a token in INFLUX_TOKEN that may read the buckets, such as the "serve" token of setup.',
        );
      }
      return judgeSamples(samples, schema);
    },
  };
}

/** The verdict over all three buckets; the worst comes first. */
export function judgeSamples(samples: ReadonlyMap<IdPreset, Sample>, schema: Schema): CheckResult {
  const verdicts = ROLES.map((role) => judge(role, samples.get(role) ?? NOTHING, schema));
  const bad = verdicts.find((v) => v.state === 'error') ?? verdicts.find((v) => v.state === 'warning');
  if (bad !== undefined) return bad;
  const seen = verdicts.filter((v) => v.message !== '');
  return passed(
    'scheme',
    seen.length === 0
      ? 'No points of the last 7 days to judge the prefix schemes by.'
      : seen.map((v) => v.message).join(' '),
  );
}

function judge(role: IdPreset, { points, whole }: Sample, schema: Schema): CheckResult {
  const scheme = schemeOf(role, schema);
  const bucket = schema.buckets[role];
  const setting = SETTING[role];
  if (points.length === 0) return passed('scheme', '');
  const foreign = points.filter((p) => prefixOf(p.id, scheme) !== p.prefix);
  const example = foreign[0];
  if (example !== undefined) {
    const explained = schemesThatExplain(points).map(prefixSchemeText);
    const mixed = foreign.length < points.length;
    return failed(
      'scheme',
      'config_invalid',
      `${mixed ? `${foreign.length} of ${points.length}` : 'The'} recent points of bucket ${bucket} were written under another prefix scheme than ${setting}=${prefixSchemeText(scheme)} (id ${example.id} has prefix ${example.prefix}), so queries do not find them.`,
      explained.length > 0
        ? `Set ${setting}=${explained.join(' or ')}, for ingest and serve alike.`
        : `Give ingest and serve the same ${setting}; then write the archive again with "userpulse replay" into new buckets.`,
    );
  }
  if (!whole) return passed('scheme', `${bucket}: as ${prefixSchemeText(scheme)} says.`);
  const verdict = judgeScheme(new Set(points.map((p) => p.id)), scheme);
  const { current } = verdict;
  // An ObjectId begins with its second: shares of one time belong on one prefix. Only too many of them are a problem.
  if (role === 'share' && current.fullest > MOST_SHARES)
    return warned(
      'scheme',
      `${setting}=${prefixSchemeText(scheme)} spreads ids badly: ${current.ids} recent ids of ${bucket} share ${current.prefixes} prefixes, ${current.fullest} of them one.`,
      change(setting, { ...scheme, length: Math.min(8, scheme.length + 1) }),
    );
  if (role !== 'share' && verdict.otherIsBetter)
    return warned(
      'scheme',
      `${setting}=${prefixSchemeText(scheme)} spreads ids badly: of ${current.ids} recent ids of ${bucket}, ${spreadText(current, scheme)}; ${spreadText(verdict.bestSpread, verdict.best)}.`,
      change(setting, verdict.best),
    );
  return passed(
    'scheme',
    `${bucket}: ${current.ids} recent ids on ${current.prefixes} prefixes of ${prefixSchemeText(scheme)}.`,
  );
}

const change = (setting: string, scheme: PrefixScheme): string =>
  `For a new installation set ${setting}=${prefixSchemeText(scheme)}. For one with data: make new buckets, set it for ingest and serve, and fill them with "userpulse replay".`;

async function sample(reader: InfluxReader, role: IdPreset, schema: Schema, signal: AbortSignal): Promise<Sample> {
  let best = NOTHING;
  for (const backMs of LOOK_BACK_MS) {
    const found = await recent(reader, role, schema, backMs, signal);
    // Too many at one step (a burst, or old points written in one go): the last whole sample is worth more, where there is one.
    if (!found.whole) return best.points.length > 0 ? best : found;
    best = found;
    if (best.points.length >= ENOUGH) break;
  }
  return best;
}

async function recent(
  reader: InfluxReader,
  role: IdPreset,
  schema: Schema,
  backMs: number,
  signal: AbortSignal,
): Promise<Sample> {
  const enough = new AbortController();
  const points: { id: string; prefix: string }[] = [];
  const script = flux`from(bucket: ${string(schema.buckets[role])})
  |> range(start: -${duration(backMs)})
  |> filter(fn: (r) => r._measurement == ${string(MEASUREMENT)} and r._field == ${string(FIELD[role])})
  |> keep(columns: ["prefix", "_value"])`;
  try {
    await reader.rows(
      script,
      (columns) => {
        const id = columns.indexOf('_value');
        const prefix = columns.indexOf('prefix');
        return (row) => {
          if (points.length < MOST) points.push({ id: row[id] ?? '', prefix: row[prefix] ?? '' });
          else enough.abort();
        };
      },
      AbortSignal.any([signal, enough.signal]),
    );
  } catch (error) {
    if (!(enough.signal.aborted && error instanceof UserpulseError && error.code === 'aborted')) throw error;
  }
  return { points, whole: !enough.signal.aborted };
}
