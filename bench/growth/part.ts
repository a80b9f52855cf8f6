import { MOST_HEAD_POINTS } from '../../backend/src/query/counted-answers.ts';
import type { QueryFields } from '../../contract/query.ts';
import type { Recipe } from '../data/events.ts';
import { cardinality, filledInflux, type FilledInflux } from '../data/influx.ts';
import { PREFIXES, SCHEMA } from '../data/layouts.ts';
import { countWeek, type Counting } from '../data/hours.ts';
import { weekOf, WEEK_FROM } from '../data/week.ts';
import type { BenchContext, BenchPart, PartResult, Plot, SummaryRow, Table, Target } from '../part.ts';
import { questionsOf, RANGES } from '../query/questions.ts';
import { Asker, startBackend, type Backend } from '../query/ways.ts';
import { figure, number, spread } from '../stats.ts';

const DAY_MS = 86_400_000;
/** Events in the same week, by the same users. */
const SIZES = [1_000_000, 3_000_000, 10_000_000, 30_000_000];
const QUICK_SIZES = [20_000, 60_000];
const [, DAY, WEEK, , YEAR] = RANGES;

interface Question {
  readonly name: string;
  /** Of hours that are over nobody but counted hours can make it flat. */
  readonly flat: boolean;
  readonly body: (number: number) => object;
}

function questions(recipe: Recipe): Question[] {
  const of = questionsOf(recipe);
  const top = (ranked: QueryFields['of'], range: { readonly fromMs: number; readonly toMs: number }): object => ({
    from: range.fromMs,
    to: range.toMs,
    timezone: 'UTC',
    queries: [{ refId: 'A', preset: 'top', of: ranked, n: 10 }],
  });
  return [
    { name: 'one user, 7 d', flat: false, body: of('received', WEEK).body },
    { name: 'one user, 1 y', flat: false, body: of('received', YEAR).body },
    { name: 'one share, 7 d', flat: false, body: of('share', WEEK).body },
    { name: 'everyone, 7 d by the hour', flat: true, body: of('everyone', WEEK).body },
    { name: 'everyone, 1 d by 10 min', flat: true, body: of('everyone', DAY).body },
    { name: 'everyone, 1 y by the day', flat: true, body: of('everyone', YEAR).body },
    { name: 'top receivers, 1 d', flat: true, body: () => top('received', DAY) },
    { name: 'top receivers, 7 d', flat: true, body: () => top('received', WEEK) },
    // As Grafana asks for the last days: from the middle of an hour to the middle of another.
    {
      name: 'top receivers, 3 d, not whole hours',
      flat: true,
      body: () => top('received', { fromMs: WEEK_FROM + 1.51 * DAY_MS, toMs: WEEK_FROM + 4.51 * DAY_MS }),
    },
  ];
}

/** Latencies in ms of one size of data. */
interface Seen {
  readonly events: number;
  readonly on: ReadonlyMap<string, number[]>;
  readonly off: ReadonlyMap<string, number[]>;
  readonly load: FilledInflux['load'];
  readonly series: number;
  readonly counting: Counting;
  readonly diskMiB: number;
}

export const part: BenchPart = {
  name: 'growth',
  title: 'Growth: what more events in the same week cost',
  run: async (context) => {
    const seen: Seen[] = [];
    for (const events of context.quick ? QUICK_SIZES : SIZES) seen.push(await measure(events, context));
    return report(seen, context);
  },
};

async function measure(events: number, context: BenchContext): Promise<Seen> {
  const { say, quick } = context;
  const recipe = weekOf(events);
  const influx = await filledInflux(recipe, PREFIXES, say);
  try {
    const counting = await countWeek(influx, say);
    const backends: Backend[] = [];
    try {
      const on = await startBackend(influx, { USERPULSE_ROLLUP: 'on' });
      backends.push(on);
      const off = await startBackend(influx, { USERPULSE_ROLLUP: 'off' });
      backends.push(off);
      const askers = { on: new Asker(on, influx), off: new Asker(off, influx) };
      const latencies = { on: new Map<string, number[]>(), off: new Map<string, number[]>() };
      for (const question of questions(recipe)) {
        // Warm, both of them, and the same.
        const first = await askers.on.prepare(question.body(0));
        const [with_, without] = [await askers.on.ask('api', first), await askers.off.ask('api', first)];
        if (rowsOf(with_) !== rowsOf(without))
          throw new Error(`${question.name} is another answer with counted hours.`);
        for (let round = 0; round < (quick ? 1 : context.rounds * 4); round++) {
          const prepared = await askers.on.prepare(question.body(round + 1));
          for (const way of round % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
            const [ms = NaN] = await askers[way].time('api', [prepared], 1);
            const list = latencies[way].get(question.name) ?? [];
            latencies[way].set(question.name, [...list, ms]);
          }
        }
        const [a, b] = [latencies.on, latencies.off].map((all) => number(figure(all.get(question.name) ?? []).median));
        say(`${events.toLocaleString('en-US')} events, ${question.name}: ${a} ms, ${b} ms from points`);
      }
      await askers.on.close();
      await askers.off.close();
      return {
        events,
        ...latencies,
        load: influx.load,
        series: (await Promise.all(Object.values(SCHEMA.buckets).map((bucket) => cardinality(influx, bucket)))).reduce(
          (sum, count) => sum + count,
          0,
        ),
        counting,
        diskMiB: influx.load.diskMiB,
      };
    } finally {
      for (const backend of backends) await backend.stop();
    }
  } finally {
    await influx.stop();
  }
}

/** What an answer holds, without what says how it was made. */
const rowsOf = (answer: string): string => {
  const { results } = JSON.parse(answer) as { results: { A: { frames: { data: unknown }[] } } };
  return JSON.stringify(results.A.frames.map(({ data }) => data));
};

/** Exponent of growth: the slope of a line through the logarithms. 0 is flat, 1 is as the events. */
export function exponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (of: (point: readonly [number, number]) => number): number =>
    logs.reduce((sum, point) => sum + of(point), 0) / logs.length;
  const [mx, my] = [mean(([x]) => x), mean(([, y]) => y)];
  return mean(([x, y]) => (x - mx) * (y - my)) / mean(([x]) => (x - mx) ** 2);
}

const medianOf = (latencies: ReadonlyMap<string, number[]>, name: string): number =>
  figure(latencies.get(name) ?? []).median;

function report(seen: readonly Seen[], context: BenchContext): PartResult {
  const all = questions(weekOf(seen[0]?.events ?? 1));
  const grows = (way: 'on' | 'off', name: string): number =>
    exponent(seen.map((one) => [one.events, medianOf(one[way], name)]));
  const tables: Table[] = [
    {
      title: 'Answers',
      note: 'Milliseconds through the HTTP API, warm, one client: the median, with the least and greatest. “From points” is `USERPULSE_ROLLUP=off`. Growth is the exponent fitted over the sizes: 0 is flat, 1 is in proportion to the events.',
      columns: ['question', 'hours', ...seen.map(({ events }) => `${events / 1e6} M`), 'growth'],
      rows: all.flatMap(({ name }) =>
        (['on', 'off'] as const).map((way) => [
          name,
          way === 'on' ? 'counted' : 'from points',
          ...seen.map((one) => spread(figure(one[way].get(name) ?? []))),
          grows(way, name).toFixed(2),
        ]),
      ),
    },
    {
      title: 'Data',
      note: 'Filling influxd with the line protocol that ingest would render, into four buckets; and counting all hours of the week, which takes InfluxDB and the process that counts.',
      columns: ['', ...seen.map(({ events }) => `${events / 1e6} M`), 'growth'],
      rows: (
        [
          ['influxd, CPU s a million events', (one) => one.load.cpuSeconds / (one.events / 1e6)],
          ['influxd, RSS MiB after the fill', (one) => one.load.rssMiB],
          ['disk, MiB', (one) => one.diskMiB],
          ['series', (one) => one.series],
          ['counting the hours, s', (one) => one.counting.seconds],
          ['counting the hours, CPU s a million events', (one) => one.counting.cpuSeconds / (one.events / 1e6)],
        ] as const satisfies readonly (readonly [string, (one: Seen) => number])[]
      ).map(([name, of]) => [
        name,
        ...seen.map((one) => number(of(one))),
        exponent(seen.map((one) => [one.events, of(one)])).toFixed(2),
      ]),
    },
  ];
  const plot: Plot = {
    file: 'growth.svg',
    title: 'Everyone and rankings of a week, by its events',
    x: { label: 'events in the week', log: true },
    y: { label: 'ms', log: true },
    series: ['everyone, 7 d by the hour', 'top receivers, 7 d'].flatMap((name) =>
      (['on', 'off'] as const).map((way) => ({
        name: `${name}, ${way === 'on' ? 'hours counted' : 'from points'}`,
        points: seen.map((one) => [one.events, medianOf(one[way], name)] as const),
      })),
    ),
  };
  const targets: Target[] = all
    .filter(({ flat }) => flat)
    .map(({ name }) => ({
      figure: `growth of “${name}”`,
      target: 'flat: an exponent below 0.1',
      measured: grows('on', name).toFixed(2),
      met: grows('on', name) < 0.1,
      why: name.endsWith('not whole hours')
        ? `the hours that the range cuts at its ends are read from points; those of the first are kept, but not above ${number(MOST_HEAD_POINTS)} of them, which the most events exceed`
        : 'what is read is as many rows, of longer numbers',
    }));
  const summaryOf = (name: string): SummaryRow => {
    const of = (way: 'on' | 'off'): string =>
      `${[seen[0], seen.at(-1)].map((one) => number(one === undefined ? NaN : medianOf(one[way], name))).join(' → ')}, growth ${grows(way, name).toFixed(2)}`;
    return {
      question: `${name}, of 1 M → 30 M events: p50, ms`,
      answer: of('on'),
      beside: `from points ${of('off')}`,
    };
  };
  return {
    method:
      'The same week with 1, 3, 10 and 30 million events of up to a million users, Zipf with exponent 1, five types. Each answer with counted hours is compared with the one from points before anything is timed.',
    tables,
    plots: context.quick ? [] : [plot],
    targets: context.quick ? [] : targets,
    summary: context.quick ? [] : ['everyone, 7 d by the hour', 'top receivers, 7 d'].map(summaryOf),
  };
}
