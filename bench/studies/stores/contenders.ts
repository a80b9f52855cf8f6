import { Asker, startBackend } from '../../query/ways.ts';
import { filledClickhouse } from './clickhouse.ts';
import { timeJobs } from '../../clients.ts';
import type { Recipe } from '../../data/events.ts';
import { askFlux, cardinality, filledInflux, type FilledInflux, type LoadReport } from '../../data/influx.ts';
import { countWeek } from '../../data/hours.ts';
import { ID_TAGS, ONE_BUCKET, PREFIXES, type Layout } from '../../data/layouts.ts';
import { usageOf, type Usage } from '../../usage.ts';
import { apiBody, clickhouseSql, idTagsFlux, oneBucketFlux, type StoreQuestion } from './questions.ts';

/** A question longer than this is given up, as `userpulse serve` does by default. */
export const GIVE_UP_MS = 30_000;

/** A way of putting questions to a store. */
export interface Access {
  readonly name: string;
  /** @returns sum of the counts of the answer, which must be the same from everyone */
  readonly sum: (question: StoreQuestion, id: string) => Promise<number>;
  /** Asks about each id once. @returns latencies in ms */
  readonly time: (question: StoreQuestion, ids: readonly string[], clients: number) => Promise<number[]>;
}

/** A store that holds the events in its own way. */
export interface Contender {
  readonly name: string;
  readonly accesses: readonly Access[];
  readonly load: LoadReport;
  /** In all of its buckets; undefined where the store has no such thing. */
  readonly series: () => Promise<number | undefined>;
  readonly usage: () => Usage;
  /** @returns ms until the first answer */
  readonly restart: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

type Say = (line: string) => void;

/** Sum of the last column that holds numbers, over InfluxDB's tables or one of ClickHouse's. */
function sumOf(csv: string, column: (header: readonly string[]) => number): number {
  let at: number | undefined;
  let sum = 0;
  for (const line of csv.split(/\r?\n/)) {
    if (line === '') at = undefined;
    else if (at === undefined) at = column(line.split(','));
    else sum += Number(line.split(',')[at]);
  }
  return sum;
}

const sumOfFlux = (csv: string): number => sumOf(csv, (header) => header.indexOf('_value'));

function influxContender(
  name: string,
  store: FilledInflux,
  layout: Layout,
  accesses: readonly Access[],
  stop: () => Promise<void> = () => store.stop(),
): Contender {
  return {
    name,
    accesses,
    load: store.load,
    series: async () => {
      const counts = await Promise.all(layout.buckets.map((bucket) => cardinality(store, bucket)));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    usage: () => usageOf(store.server.pid),
    restart: () => store.restart(),
    stop,
  };
}

const fluxAccess = (
  name: string,
  store: FilledInflux,
  flux: (question: StoreQuestion, id: string) => string,
): Access => ({
  name,
  sum: async (question, id) => sumOfFlux(await askFlux(store, flux(question, id), GIVE_UP_MS)),
  time: (question, ids, clients) =>
    timeJobs(
      ids.map((id) => () => askFlux(store, flux(question, id), GIVE_UP_MS)),
      clients,
    ),
});

async function ours(recipe: Recipe, say: Say): Promise<Contender> {
  const store = await filledInflux(recipe, PREFIXES, say);
  const stops: (() => Promise<void>)[] = [];
  const access = async (name: string, settings: Readonly<Record<string, string>>): Promise<Access> => {
    const backend = await startBackend(store, settings);
    const asker = new Asker(backend, store);
    stops.push(async () => {
      await asker.close();
      await backend.stop();
    });
    return {
      name,
      sum: async (question, id) => sumOfFrames(await asker.ask('api', await asker.prepare(apiBody(question, id)))),
      time: async (question, ids, clients) =>
        asker.time('api', await Promise.all(ids.map((id) => asker.prepare(apiBody(question, id)))), clients),
    };
  };
  await countWeek(store, say);
  const accesses = [
    await access('Userpulse, HTTP API', {}),
    await access('Userpulse, from points alone', { USERPULSE_ROLLUP: 'off' }),
  ];
  return influxContender('Userpulse', store, PREFIXES, accesses, async () => {
    for (const stop of stops) await stop();
    await store.stop();
  });
}

/** Of every number field; `top` has one. */
function sumOfFrames(text: string): number {
  const answer = JSON.parse(text) as {
    results: { A: { frames: { schema: { fields: { type: string }[] }; data: { values: number[][] } }[] } };
  };
  return answer.results.A.frames.reduce(
    (sum, { schema, data }) =>
      schema.fields.reduce(
        (all, { type }, i) => all + (type === 'number' ? (data.values[i] ?? []).reduce((a, b) => a + b, 0) : 0),
        sum,
      ),
    0,
  );
}

async function naive(
  name: string,
  layout: Layout,
  flux: (question: StoreQuestion, id: string) => string,
  recipe: Recipe,
  say: Say,
): Promise<Contender> {
  const store = await filledInflux(recipe, layout, say);
  return influxContender(name, store, layout, [fluxAccess(`${name}, Flux`, store, flux)]);
}

async function clickhouse(recipe: Recipe, say: Say): Promise<Contender> {
  const store = await filledClickhouse(recipe, say);
  const access = (name: string, final: boolean): Access => ({
    name,
    sum: async (question, id) => {
      const csv = await store.ask(clickhouseSql(question, id, final));
      return csv
        .split('\n')
        .filter((line) => line !== '')
        .reduce((sum, line) => sum + Number(line.split(',').at(-1)), 0);
    },
    time: (question, ids, clients) =>
      store.time(
        ids.map((id) => clickhouseSql(question, id, final)),
        clients,
      ),
  });
  return {
    name: 'ClickHouse',
    accesses: [access('ClickHouse', false), access('ClickHouse, FINAL', true)],
    load: store.load,
    series: () => Promise.resolve(undefined),
    usage: () => usageOf(store.pid()),
    restart: () => store.restart(),
    stop: () => store.stop(),
  };
}

/** All of them, filled and running. The first is ours. */
export async function startContenders(recipe: Recipe, say: Say): Promise<Contender[]> {
  const started: Contender[] = [];
  try {
    started.push(await ours(recipe, say));
    started.push(await naive('N1: ids as tags, one bucket', ONE_BUCKET, oneBucketFlux, recipe, say));
    started.push(await naive('N2: id as tag, bucket per question', ID_TAGS, idTagsFlux, recipe, say));
    started.push(await clickhouse(recipe, say));
    return started;
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

export async function stopAll(contenders: readonly Contender[]): Promise<void> {
  for (const contender of contenders) await contender.stop();
}
