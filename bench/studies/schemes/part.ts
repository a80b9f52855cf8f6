import { bestScheme, judgeScheme, spreadOf } from '../../../backend/src/checks/spread.ts';
import { seededRandom } from '../../../backend/src/produce/random.ts';
import { ID_FORMATS } from '../../../contract/ids.ts';
import { prefixOf, prefixSchemeText, type PrefixScheme } from '../../../backend/src/schema/buckets.ts';
import type { BenchContext, BenchPart, Table } from '../../part.ts';
import { figure, number, percentile, spread } from '../../stats.ts';
import { timeJobs } from '../../clients.ts';
import { askFlux, cardinality, filledInflux } from '../../data/influx.ts';
import { TYPES, type BenchEvent, type Recipe } from '../../data/events.ts';
import type { Layout } from '../../data/layouts.ts';
import { WEEK_FROM, WEEK_TO } from '../../data/week.ts';
import { idSets, type IdSet } from './ids.ts';

const SCHEMES: readonly PrefixScheme[] = (['first', 'last'] as const).flatMap((by) =>
  [2, 3, 4, 5, 6].map((length) => ({ by, length })),
);
const whole = (count: number): string => Math.round(count).toLocaleString('en-US');

/** Points in a bucket that figures of reading are given for. */
const POINTS = 10_000_000;

export const part: BenchPart = {
  name: 'schemes',
  title: 'Prefix schemes: series, reading and skew by kind of ID',
  run: async (context) => {
    const sets = idSets(context.quick ? 20_000 : 1_000_000);
    return {
      method:
        'Computed for every ID of a kind. _Read per query_ is how many points a query for one ID reads, if ten million points are spread over the IDs (Higgs: as its actors act), as the mean over the IDs. _Max / mean_ is the number of IDs on the fullest prefix, relative to the mean. ' +
        'The last table is measured: a million events of sequential users in one bucket, under five schemes. See [how to choose](schemes.md).',
      tables: [...sets.map(table), doctor(sets), await measured(context)],
      plots: [],
      targets: [],
    };
  },
};

function table(set: IdSet): Table {
  return {
    title: `${(set.name[0] ?? '').toUpperCase()}${set.name.slice(1)}`,
    note: `${whole(set.events.size)} different IDs.`,
    columns: ['scheme', 'prefixes', `series (${TYPES.length} types)`, 'read per query', 'max / mean'],
    rows: SCHEMES.map((scheme) => {
      const { prefixes, fullest } = spreadOf(set.events.keys(), scheme);
      return [
        prefixSchemeText(scheme),
        whole(prefixes),
        `≤ ${whole(prefixes * TYPES.length)}`,
        whole(readPerQuery(set, scheme)),
        number(fullest / (set.events.size / prefixes)),
      ];
    }),
  };
}

/** Mean over the ids of the points on their prefix. */
function readPerQuery(set: IdSet, scheme: PrefixScheme): number {
  const onPrefix = new Map<string, { ids: number; points: number }>();
  let all = 0;
  for (const [id, points] of set.events) {
    const prefix = prefixOf(id, scheme);
    const sums = onPrefix.get(prefix) ?? { ids: 0, points: 0 };
    sums.ids += 1;
    sums.points += points;
    all += points;
    onPrefix.set(prefix, sums);
  }
  let read = 0;
  for (const { ids, points } of onPrefix.values()) read += (ids / set.events.size) * points;
  return (read / all) * POINTS;
}

/** What doctor says where it sees no more than it does in life: two thousand recent ids. */
function doctor(sets: readonly IdSet[]): Table {
  const FIRST_4: PrefixScheme = { by: 'first', length: 4 };
  return {
    title: 'What doctor recommends',
    note: 'From a sample of 2,000 IDs, such as doctor takes from the last minutes. The last column is the shortest scheme of four or more digits, judged by all IDs.',
    columns: ['ids', 'with first:4', 'with last:4', 'by all ids'],
    rows: sets
      .filter(({ kind }) => kind === 'user')
      .map(({ name, events }) => {
        const all = [...events.keys()];
        const random = seededRandom(3);
        const sample = new Set(Array.from({ length: 2_000 }, () => all[Math.floor(random() * all.length)] ?? ''));
        const says = (scheme: PrefixScheme): string => {
          const { best, otherIsBetter } = judgeScheme(sample, scheme, ID_FORMATS.int64);
          return otherIsBetter ? prefixSchemeText(best) : 'fine';
        };
        return [
          name,
          says(FIRST_4),
          says({ by: 'last', length: 4 }),
          prefixSchemeText(bestScheme(new Set(all), FIRST_4.length, ID_FORMATS.int64)),
        ];
      }),
  };
}

const FIRST_USER = 10_000_000;
const sequential = (event: BenchEvent, users: number): string =>
  String(FIRST_USER + Math.floor(((event.actor - 1_000_000) * users) / 9_000_000));

const layoutOf = (scheme: PrefixScheme, users: number): Layout => ({
  name: `sequential-${scheme.by}-${scheme.length}`,
  buckets: ['made'],
  lines: (event) => {
    const id = sequential(event, users);
    return [
      `interaction,prefix=${prefixOf(id, scheme)},type=${event.type} user=${id}i ${event.ms}${String(event.offsetNs).padStart(6, '0')}`,
    ];
  },
});

async function measured(context: BenchContext): Promise<Table> {
  const events = context.quick ? 10_000 : 1_000_000;
  const recipe: Recipe = { users: 1_000_000, stretches: [{ fromMs: WEEK_FROM, toMs: WEEK_TO, events }] };
  const schemes: readonly PrefixScheme[] = [
    { by: 'first', length: 2 },
    { by: 'first', length: 4 },
    { by: 'last', length: 2 },
    { by: 'last', length: 4 },
    { by: 'last', length: 6 },
  ];
  const random = seededRandom(5);
  const ids = Array.from({ length: 20 }, () => String(FIRST_USER + Math.floor(random() * recipe.users)));
  const rows: string[][] = [];
  for (const scheme of schemes) {
    const store = await filledInflux(recipe, layoutOf(scheme, recipe.users), context.say);
    try {
      const flux = (id: string): string =>
        `from(bucket: "made")
  |> range(start: ${new Date(WEEK_FROM).toISOString()}, stop: ${new Date(WEEK_TO).toISOString()})
  |> filter(fn: (r) => r._measurement == "interaction" and r.prefix == "${prefixOf(id, scheme)}" and r._field == "user" and r._value == ${id})
  |> aggregateWindow(every: 10m, fn: count, timeSrc: "_start", createEmpty: false)
  |> keep(columns: ["_time", "_value", "type"])`;
      const medians: number[] = [];
      await askFlux(store, flux(ids[0] ?? ''));
      for (let round = 0; round < context.rounds; round++) {
        const latencies = await timeJobs(
          ids.map((id) => () => askFlux(store, flux(id))),
          1,
        );
        medians.push(
          percentile(
            latencies.toSorted((a, b) => a - b),
            0.5,
          ),
        );
      }
      rows.push([
        prefixSchemeText(scheme),
        whole(await cardinality(store, 'made')),
        number(store.load.diskMiB),
        number(store.load.events / store.load.seconds),
        spread(figure(medians)),
      ]);
    } finally {
      await store.stop();
    }
  }
  return {
    title: 'Measured: a million events of a million sequential users',
    note: 'One user, 7 d at 10 min, raw Flux, one client, warm. p50 of 20 users, with its spread over the rounds.',
    columns: ['scheme', 'series', 'disk MiB', 'events/s loaded', 'p50 ms'],
    rows,
  };
}
