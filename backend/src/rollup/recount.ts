import { RANKED_ROLES, type RankedRole } from '../../../contract/roles.ts';
import { hourLines, hourText, hourTop, hourTopText, MINUTES, MOST_TOP_IDS } from '../schema/hour-counts.ts';
import type { Hour } from '../schema/hour-marks.ts';
import { murmur32 } from '../schema/murmur.ts';
import type { CountedHours } from './counted-hours.ts';

/** Different ids that are counted in one pass over an hour; more take another pass, each with its part of the ids. */
const MOST_IDS = 200_000;
const MOST_PASSES = 64;

/**
 * Counts a sealed hour and writes what it has counted. If somebody turns to the hour meanwhile, its seal becomes another one, and nobody will
 * believe the count.
 * @param seal that the hour had before
 */
export async function recountHour(
  hours: CountedHours,
  hour: Hour,
  seal: string,
  signal: AbortSignal,
  mostIds = MOST_IDS,
): Promise<void> {
  const minutes = new Map<string, number[]>();
  await hours.countMinutes(
    hour,
    (type, minute, count) => {
      let counts = minutes.get(type);
      if (counts === undefined) minutes.set(type, (counts = new Array<number>(MINUTES).fill(0)));
      counts[minute] = (counts[minute] ?? 0) + count;
    },
    signal,
  );
  const tops = new Map<string, Record<RankedRole, string>>();
  for (const type of minutes.keys()) tops.set(type, { made: '', received: '', share: '' });
  for (const role of RANKED_ROLES) {
    const counts = await countIds(hours, role, hour, signal, mostIds);
    for (const [type, texts] of tops) {
      const what = { hour, seal, type };
      texts[role] = hourTopText(
        counts === undefined ? { ...what, ids: [], bound: ANY } : hourTop(what, counts.get(type) ?? []),
      );
    }
  }
  const totals = new Map([...minutes].map(([type, counts]) => [type, [counts.reduce((sum, n) => sum + n, 0)]]));
  const texts = { counts: hourText({ hour, seal, types: totals }), minutes: hourText({ hour, seal, types: minutes }) };
  await hours.writeLines(hourLines(hour, texts, tops), signal);
}

type IdCounts = ReadonlyMap<string, readonly { readonly id: string; readonly count: number }[]>;

/** Bound of ids that nobody has counted. */
const ANY = Number.MAX_SAFE_INTEGER;

/** How often ids occur in an hour, by type, those that occur most; undefined where there are too many different ones. */
async function countIds(
  hours: CountedHours,
  role: RankedRole,
  hour: Hour,
  signal: AbortSignal,
  mostIds: number,
): Promise<IdCounts | undefined> {
  for (let passes = 1; passes <= MOST_PASSES; passes *= 2) {
    const found = new Map<string, { id: string; count: number }[]>();
    let whole = true;
    for (let pass = 0; whole && pass < passes; pass++) {
      const byType = new Map<string, Map<string, number>>();
      let size = 0;
      await hours.readIds(
        role,
        hour,
        (type, id) => {
          if (size > mostIds || (passes > 1 && murmur32(id) % passes !== pass)) return;
          let counts = byType.get(type);
          if (counts === undefined) byType.set(type, (counts = new Map<string, number>()));
          const known = counts.get(id);
          if (known === undefined) size++;
          counts.set(id, (known ?? 0) + 1);
        },
        signal,
      );
      whole = size <= mostIds;
      for (const [type, counts] of byType) {
        const all = found.get(type) ?? [];
        for (const [id, count] of counts) all.push({ id, count });
        // One more than is kept says how often those that are not kept can occur.
        found.set(type, all.sort((a, b) => b.count - a.count).slice(0, MOST_TOP_IDS + 1));
      }
    }
    if (whole) return found;
  }
  return undefined;
}
