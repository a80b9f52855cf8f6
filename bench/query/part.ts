import type { BenchContext, BenchPart, PartResult, Plot, SummaryRow, Table, Target } from '../part.ts';
import { figure, number, percentile, spread } from '../stats.ts';
import { cardinality, filledInflux, type FilledInflux } from '../data/influx.ts';
import { PREFIXES, SCHEMA } from '../data/layouts.ts';
import { askCold, type ColdAnswers } from './cold.ts';
import { QUICK_YEAR, WEEK_FROM, YEAR } from '../data/week.ts';
import { CLIENTS, measure, seenKey, type Cell, type Seen } from './measure.ts';
import { PRESET_NAMES } from '../../contract/presets.ts';
import { questionsOf, RANGES, type AskedRange, type BenchPreset } from './questions.ts';
import { Asker, startBackend, type Way } from './ways.ts';

const HOUR_MS = 3_600_000;
/** As long as a million events take in the busy week. */
const MILLION: AskedRange = { name: '1 M events', fromMs: WEEK_FROM, toMs: WEEK_FROM + 16.8 * HOUR_MS, every: '1h' };
const [, , WEEK, , YEAR_RANGE] = RANGES;
const PARIS_DAYS: AskedRange = { ...YEAR_RANGE, name: '1 y, days of Paris' };

export const part: BenchPart = {
  name: 'query',
  title: 'Queries: latency by preset, range and clients',
  run: async (context) => {
    const recipe = context.quick ? QUICK_YEAR : YEAR;
    const influx = await filledInflux(recipe, PREFIXES, context.say);
    try {
      const backend = await startBackend(influx);
      const asker = new Asker(backend, influx);
      try {
        const question = questionsOf(recipe);
        const questions = PRESET_NAMES.flatMap((preset) => RANGES.map((range) => question(preset, range)));
        const cells = await measure({
          questions: [
            ...questions,
            question('made', PARIS_DAYS, 'Europe/Paris'),
            question('everyone', PARIS_DAYS, 'Europe/Paris'),
            question('top', MILLION),
          ],
          asker,
          backend,
          influxdPid: () => influx.server.pid,
          rounds: context.rounds,
          quick: context.quick,
          say: context.say,
        });
        const cold = await askCold({ question, influx, asker, rounds: context.rounds, say: context.say });
        return await report(cells, cold, influx, context);
      } finally {
        await asker.close();
        await backend.stop();
      }
    } finally {
      await influx.stop();
    }
  },
};

async function report(
  cells: readonly Cell[],
  cold: ColdAnswers,
  influx: FilledInflux,
  context: BenchContext,
): Promise<PartResult> {
  const series = await Promise.all(
    Object.values(SCHEMA.buckets).map(async (bucket) => [bucket, await cardinality(influx, bucket)] as const),
  );
  return {
    method:
      'The data has a million users with seven-digit IDs, ten million events in the week of 2026-01-05, and two million in the rest of a year. Actors and receivers follow Zipf’s law (exponent 1); there are five types, and a new share every 2 s. ' +
      `The events are written once, as the line protocol that ingest would render (${number(influx.load.points)} points in four buckets). Client, backend and influxd share the machine. ` +
      'Queried IDs are drawn as events draw them, so the busiest user is queried most often. Windows are 1 min over an hour, 10 min over a day and a week, 1 h over 30 days, and 1 d over a year; everyone over a week is by the hour; top is ten receivers. ' +
      'The number of requests in a round depends on how long one takes (1 to 20 with one client, up to 8 per client with several). Where a queue would last longer than 5 s, nothing is measured.',
    tables: [
      latencies('Through the HTTP API', 'api', cells),
      latencies('The same Flux posted to influxd by hand', 'raw', cells),
      overhead(cells),
      coldTable(cold),
      {
        title: 'Series in InfluxDB',
        note: 'From `influxdb.cardinality()`, over the whole year. A share’s prefix spans 256 s, so its bucket grows with time and not with users: each week, which is what an InfluxDB shard holds, has at most 2,363 prefixes for new shares.',
        columns: ['bucket', 'series'],
        rows: series.map(([bucket, count]) => [bucket, count.toLocaleString('en-US')]),
      },
    ],
    plots: [byRange(cells), byClients(cells)],
    targets: context.quick ? [] : targets(cells, Math.max(...series.slice(0, 2).map(([, count]) => count))),
    summary: context.quick ? [] : summary(find(cells, 'received', WEEK.name)),
  };
}

const nameOf = ({ question }: Cell): [string, string] => [question.preset, question.range.name];

/** p50 with its spread over the rounds, and p99 of all answers; dashes where nobody asked. */
function percentiles(cell: Cell, way: Way, clients: number): { p50: string; p99: string; count: number } {
  const rounds = cell.seen.get(seenKey(way, clients))?.rounds ?? [];
  const all = rounds.flat().toSorted((a, b) => a - b);
  if (all.length === 0) return { p50: '–', p99: '–', count: 0 };
  return { p50: spread(p50(cell, way, clients)), p99: number(percentile(all, 0.99)), count: all.length };
}

const p50 = (cell: Cell, way: Way, clients: number) =>
  figure(
    (cell.seen.get(seenKey(way, clients))?.rounds ?? []).map((round) =>
      percentile(
        round.toSorted((a, b) => a - b),
        0.5,
      ),
    ),
  );

function p99(cell: Cell, way: Way, clients: number): number {
  const all = cell.seen.get(seenKey(way, clients))?.rounds.flat() ?? [];
  return percentile(
    all.toSorted((a, b) => a - b),
    0.99,
  );
}

function latencies(title: string, way: Way, cells: readonly Cell[]): Table {
  return {
    title,
    note: 'Milliseconds, warm. p50 is the median (least–greatest) of the rounds; p99 is over all answers.',
    columns: ['preset', 'range', ...CLIENTS.flatMap((n) => [`p50, ${n} client${n === 1 ? '' : 's'}`, 'p99'])],
    rows: cells.map((cell) => [
      ...nameOf(cell),
      ...CLIENTS.flatMap((n) => {
        const seen = percentiles(cell, way, n);
        return [seen.p50, seen.p99];
      }),
    ]),
  };
}

/** Of the CPU of all requests, that of one, in ms; undefined where nobody asked. */
const each = (seen: Seen | undefined, seconds: number | undefined): number | undefined =>
  seen === undefined || seconds === undefined ? undefined : (seconds * 1000) / seen.rounds.flat().length;
const influxdMs = (seen: Seen | undefined): number | undefined => each(seen, seen?.influxdSeconds);

function overhead(cells: readonly Cell[]): Table {
  return {
    title: 'What the API adds, and CPU per query',
    note: '“Added” is the median of API minus raw Flux over pairs of requests, sent one after the other by one client. CPU is in milliseconds per query with 8 clients, as counted by the kernel.',
    columns: ['preset', 'range', 'added ms', 'influxd CPU ms (API)', 'influxd CPU ms (raw)', 'backend CPU ms'],
    rows: cells.map((cell) => {
      const [api, raw] = [cell.seen.get(seenKey('api', 8)), cell.seen.get(seenKey('raw', 8))];
      const ms = (value: number | undefined): string => (value === undefined ? '–' : number(value));
      return [
        ...nameOf(cell),
        number(added(cell)),
        ms(influxdMs(api)),
        ms(influxdMs(raw)),
        ms(each(api, api?.backendSeconds)),
      ];
    }),
  };
}

const added = (cell: Cell): number =>
  percentile(
    cell.differences.toSorted((a, b) => a - b),
    0.5,
  );

function coldTable(cold: ColdAnswers): Table {
  return {
    title: 'Cold',
    note: `Milliseconds of the first query of each bucket after influxd was restarted${cold.cachesDropped ? ' and the kernel’s page cache emptied' : ' (the kernel’s page cache could not be emptied)'}. The restart took, until the first answer, ${spread(figure(cold.restartMs))} ms.`,
    columns: ['preset', ...cold.ranges],
    rows: PRESET_NAMES.map((preset) => [
      preset,
      ...cold.ranges.map((range) => {
        const answers = cold.answers.get(`${preset} ${range}`) ?? [];
        return answers.length === 0 ? '–' : spread(figure(answers));
      }),
    ]),
  };
}

const find = (cells: readonly Cell[], preset: BenchPreset, range: string): Cell => {
  const cell = cells.find(({ question }) => question.preset === preset && question.range.name === range);
  if (cell === undefined) throw new RangeError(`Nobody asked ${preset} over ${range}.`);
  return cell;
};

const daysOf = (range: AskedRange): number => (range.toMs - range.fromMs) / (24 * HOUR_MS);

const byRange = (cells: readonly Cell[]): Plot => ({
  file: 'query-range.svg',
  title: 'Median answer of the API by range, one client',
  x: { label: 'range (days)', log: true },
  y: { label: 'ms', log: true },
  series: PRESET_NAMES.map((preset) => ({
    name: preset,
    points: RANGES.map((range) => [daysOf(range), p50(find(cells, preset, range.name), 'api', 1).median] as const),
  })),
});

const byClients = (cells: readonly Cell[]): Plot => ({
  file: 'query-clients.svg',
  title: 'One user over 7 days in windows of 10 minutes, by clients',
  x: { label: 'clients at a time', log: true },
  y: { label: 'ms', log: true },
  series: (['api', 'raw'] as const).flatMap((way) => [
    {
      name: `${way} p50`,
      points: CLIENTS.map((n) => [n, p50(find(cells, 'made', WEEK.name), way, n).median] as const),
    },
    { name: `${way} p99`, points: CLIENTS.map((n) => [n, p99(find(cells, 'made', WEEK.name), way, n)] as const) },
  ]),
});

const summary = (cell: Cell): SummaryRow[] => [
  {
    question: 'what a user received in a week, by 10 min, among 10 M events: p50, ms',
    answer: number(p50(cell, 'api', 1).median),
    beside: `the same Flux by hand ${number(p50(cell, 'raw', 1).median)}`,
  },
];

function targets(cells: readonly Cell[], userSeries: number): Target[] {
  const held = (what: string, limit: number, value: number, why: string): Target => ({
    figure: what,
    target: `≤ ${number(limit)}`,
    measured: number(value),
    met: value <= limit,
    ...(value <= limit ? {} : { why: `${number(value / limit)} times the target; ${why}` }),
  });
  const ids = (['made', 'received', 'share'] as const).map((preset) => find(cells, preset, WEEK.name));
  const cpuMs = Math.max(...ids.map((cell) => influxdMs(cell.seen.get(seenKey('api', 8))) ?? NaN));
  const cpuBinds = `limited by two cores: a query takes influxd up to ${number(cpuMs)} ms of CPU, a third of which evaluates Flux’s own library; most of the rest tests each point of the prefix for the ID`;
  const bound = (raw: readonly number[]): string =>
    `${cpuBinds}; the same Flux posted by hand takes ${number(Math.max(...raw))}`;
  const week = 'one user or share, 7 d at 10 min, 10 M events, 8 clients';
  return [
    held(
      `${week}: p50 ms`,
      20,
      Math.max(...ids.map((cell) => p50(cell, 'api', 8).median)),
      bound(ids.map((cell) => p50(cell, 'raw', 8).median)),
    ),
    held(
      `${week}: p99 ms`,
      60,
      Math.max(...ids.map((cell) => p99(cell, 'api', 8))),
      bound(ids.map((cell) => p99(cell, 'raw', 8))),
    ),
    held('the same, 1 client: p50 ms', 20, Math.max(...ids.map((cell) => p50(cell, 'api', 1).median)), cpuBinds),
    held('API over raw Flux, the same: p50 ms', 3, Math.max(...ids.map(added)), 'laying out and sending 1,008 windows'),
    held(
      'one user, 1 year at 1 day: p50 ms',
      150,
      p50(find(cells, 'made', YEAR_RANGE.name), 'api', 1).median,
      'reading the prefix’s points of 53 shards',
    ),
    held(
      'one user, 1 year at days of Paris: p50 ms',
      150,
      p50(find(cells, 'made', PARIS_DAYS.name), 'api', 1).median,
      'reading the prefix’s points of 53 shards',
    ),
    held(
      'everyone by type, 7 d hourly, 10 M events: p50 ms',
      250,
      p50(find(cells, 'everyone', WEEK.name), 'api', 1).median,
      'decoding ten million points',
    ),
    held(
      'top 10 among 1 M events: p50 ms',
      500,
      p50(find(cells, 'top', MILLION.name), 'api', 1).median,
      'influxd’s writing of a million rows of CSV',
    ),
    held('series per user bucket', 51_000, userSeries, ''),
  ];
}
