import { ID_KINDS, idFormatProblem } from '../../../contract/ids.ts';
import { quoted } from '../../../contract/problem.ts';
import { ID_ROLES, ROLES, type IdRole } from '../../../contract/roles.ts';
import { UserpulseError } from '../errors.ts';
import { counted } from '../format.ts';
import { duration, flux, string } from '../flux/literals.ts';
import type { InfluxReader } from '../influx/reader.ts';
import {
  FIELD,
  formatOf,
  formatsOf,
  MEASUREMENT,
  prefixOf,
  prefixSchemeText,
  schemeOf,
  type PrefixScheme,
  type Schema,
} from '../schema/buckets.ts';
import { failed, passed, warned, type Check, type CheckResult } from '../check.ts';
import { judgeScheme, schemesThatExplain, spreadText } from './spread.ts';

/**
 * Time ranges to sample, in ms, one after the other until there are enough points: a busy system is judged by its last second, a quiet one by its
 * week. Each is less than {@link MOST} / {@link ENOUGH} times the one before, so that a steady stream never goes from too few points to too many.
 */
const LOOK_BACK_MS = [1_000, 5_000, 30_000, 180_000, 1_200_000, 7_200_000, 43_200_000, 259_200_000, 604_800_000];
/** Points that are enough for a sample. */
const ENOUGH = 2_000;
/** Points after which sampling stops. */
const MOST = 20_000;
/** With more distinct shares on one prefix, each share's query reads too many points of others. */
const MOST_SHARES = 5_000;

export interface Sample {
  readonly points: readonly { readonly id: string; readonly prefix: string }[];
  /** All points of the range. A sample that was cut short holds only the first prefixes, which says nothing about how ids are spread. */
  readonly whole: boolean;
}
const NOTHING: Sample = { points: [], whole: true };

/**
 * Compares the prefix tags of recent points with the configured scheme. Data written with another scheme is an error, because queries silently
 * find nothing then. A scheme that spreads the ids badly is a warning.
 */
export function schemeCheck(reader: InfluxReader, schema: Schema): Check {
  return {
    name: 'scheme',
    run: async (signal) => {
      let samples: ReadonlyMap<IdRole, Sample>;
      try {
        samples = new Map(
          await Promise.all(ID_ROLES.map(async (role) => [role, await sample(reader, role, schema, signal)] as const)),
        );
      } catch (error) {
        return warned(
          'scheme',
          `The prefix scheme could not be checked: ${error instanceof Error ? error.message : String(error)}`,
          'The check needs a token in INFLUX_TOKEN that may read the buckets, such as the "serve" token of "userpulse setup".',
        );
      }
      return judgeSamples(samples, schema);
    },
  };
}

/** The result for all three buckets: the worst of them. */
export function judgeSamples(samples: ReadonlyMap<IdRole, Sample>, schema: Schema): CheckResult {
  const verdicts = ID_ROLES.map((role) => judge(role, samples.get(role) ?? NOTHING, schema));
  const bad = verdicts.find((v) => v.state === 'error') ?? verdicts.find((v) => v.state === 'warning');
  if (bad !== undefined) return bad;
  const seen = verdicts.filter((v) => v.message !== '');
  return passed(
    'scheme',
    seen.length === 0
      ? 'There are no points of the last 7 days to check the prefix scheme with.'
      : seen.map((v) => v.message).join(' '),
  );
}

function judge(role: IdRole, { points, whole }: Sample, schema: Schema): CheckResult {
  const scheme = schemeOf(role, schema);
  const bucket = schema.buckets[role];
  const kind = ROLES[role].ids;
  const { prefixSetting: setting, setting: formatSetting } = ID_KINDS[kind];
  if (points.length === 0) return passed('scheme', '');
  const other = points.find((p) => idFormatProblem(kind, p.id, formatsOf(schema)) !== undefined);
  if (other !== undefined) {
    return failed(
      'scheme',
      'config_invalid',
      `Bucket ${bucket} has points of ${kind} ID ${quoted(other.id)}, which is none of ${formatSetting}=${formatsOf(schema)[kind]}.`,
      `Set the same ${formatSetting} for ingest and serve, and use new buckets for IDs of another format.`,
    );
  }
  const foreign = points.filter((p) => prefixOf(p.id, scheme) !== p.prefix);
  const example = foreign[0];
  if (example !== undefined) {
    const explained = schemesThatExplain(points).map(prefixSchemeText);
    const mixed = foreign.length < points.length;
    return failed(
      'scheme',
      'config_invalid',
      `${mixed ? `${foreign.length} of ${points.length}` : 'The'} recent points of bucket ${bucket} were written with another prefix scheme than ${setting}=${prefixSchemeText(scheme)} (ID ${example.id} has prefix ${example.prefix}), so queries do not find them.`,
      explained.length > 0
        ? `Set ${setting}=${explained.join(' or ')} for both ingest and serve.`
        : `Set the same ${setting} for ingest and serve, then use "userpulse replay" to write the archive to new buckets.`,
    );
  }
  if (!whole) return passed('scheme', `${bucket}: matches ${prefixSchemeText(scheme)}.`);
  const verdict = judgeScheme(new Set(points.map((p) => p.id)), scheme, formatOf(kind, schema));
  const { current } = verdict;
  // An ObjectId begins with its second, so shares created together share a prefix. Only too many of them are a problem.
  const together = kind === 'share' && scheme.by !== 'hash';
  if (together && current.fullest > MOST_SHARES)
    return warned(
      'scheme',
      `${setting}=${prefixSchemeText(scheme)} spreads IDs badly: ${current.ids} recent IDs of ${bucket} are on ${counted(current.prefixes, 'prefix', 'prefixes')}, ${current.fullest} of them on the same one.`,
      change(setting, { ...scheme, length: Math.min(8, scheme.length + 1) }),
    );
  if (!together && verdict.otherIsBetter)
    return warned(
      'scheme',
      `${setting}=${prefixSchemeText(scheme)} spreads IDs badly: of ${current.ids} recent IDs of ${bucket}, ${spreadText(current, scheme)}; ${spreadText(verdict.bestSpread, verdict.best)}.`,
      change(setting, verdict.best),
    );
  return passed(
    'scheme',
    `${bucket}: ${counted(current.ids, 'recent ID')} on ${counted(current.prefixes, 'prefix', 'prefixes')} of ${prefixSchemeText(scheme)}.`,
  );
}

const change = (setting: string, scheme: PrefixScheme): string =>
  `In a new installation, set ${setting}=${prefixSchemeText(scheme)}. With existing data, create new buckets, set it for ingest and serve, and fill the buckets with "userpulse replay".`;

async function sample(reader: InfluxReader, role: IdRole, schema: Schema, signal: AbortSignal): Promise<Sample> {
  let best = NOTHING;
  for (const backMs of LOOK_BACK_MS) {
    const found = await recent(reader, role, schema, backMs, signal);
    // Too many at once (a burst, or old points written together): a whole sample of a shorter range tells more, where there is one.
    if (!found.whole) return best.points.length > 0 ? best : found;
    best = found;
    if (best.points.length >= ENOUGH) break;
  }
  return best;
}

async function recent(
  reader: InfluxReader,
  role: IdRole,
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
