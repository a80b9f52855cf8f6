import { hourOf } from '../../backend/src/schema/hour-marks.ts';
import { countWeek, openHours } from '../data/hours.ts';
import { filledInflux } from '../data/influx.ts';
import { PREFIXES } from '../data/layouts.ts';
import { weekOf } from '../data/week.ts';
import type { BenchContext, BenchPart, PartResult, SummaryRow, Table, Target } from '../part.ts';
import { startBackend } from '../query/ways.ts';
import { number, percentile } from '../stats.ts';
import { HOW, measureClients, measureDashboards, type How, type Seen, type SeenBy } from './measure.ts';
import { NOW_MS } from './panels.ts';

const EVENTS = { full: 10_000_000, quick: 50_000 };
const CLIENTS = [1, 8] as const;

export const part: BenchPart = {
  name: 'dashboard',
  title: 'Dashboards: ten panels, and what asking again costs',
  run: async (context) => {
    const { quick, rounds, say } = context;
    const recipe = weekOf(quick ? EVENTS.quick : EVENTS.full);
    const influx = await filledInflux(recipe, PREFIXES, say);
    try {
      // A run that was broken off has left it open.
      await (
        await openHours(influx, [hourOf(NOW_MS)])
      )();
      await countWeek(influx, say);
      const backend = await startBackend(influx);
      try {
        const options = { backend, influxdPid: () => influx.server.pid, recipe, say };
        const clients = new Map<number, SeenBy>();
        for (const count of CLIENTS) {
          say(`${count} clients`);
          clients.set(count, await measureClients(count, quick ? count * 8 : rounds * count * 16, options));
        }
        const close = await openHours(influx, [hourOf(NOW_MS)]);
        const refreshes = await measureDashboards(quick ? 2 : rounds * 4, options).finally(close);
        return report(refreshes, clients, context);
      } finally {
        await backend.stop();
      }
    } finally {
      await influx.stop();
    }
  },
};

const NAMES: Readonly<Record<How, string>> = {
  cold: 'nothing kept (`Cache-Control: no-cache`)',
  first: 'asked for the first time',
  again: 'asked again',
};

const of = ({ ms }: Seen, p: number): number =>
  percentile(
    ms.toSorted((a, b) => a - b),
    p,
  );
const influxdMs = ({ influxdSeconds, asked }: Seen): number => (influxdSeconds * 1000) / asked;
const backendMs = ({ backendSeconds, asked }: Seen): number => (backendSeconds * 1000) / asked;
const bothMs = (seen: Seen): number => influxdMs(seen) + backendMs(seen);

const cells = (seen: Seen): string[] => [
  seen.ms.length.toLocaleString('en-US'),
  number(of(seen, 0.5)),
  number(of(seen, 0.99)),
  number(influxdMs(seen)),
  number(backendMs(seen)),
];
const COLUMNS = ['asked', 'p50 ms', 'p99 ms', 'influxd CPU ms', 'backend CPU ms'];

function report(refreshes: SeenBy, clients: ReadonlyMap<number, SeenBy>, context: BenchContext): PartResult {
  const tables: Table[] = [
    {
      title: 'A dashboard of ten panels',
      note: 'A refresh of all panels, from the first request to the last answer: one user’s made and received interactions in several ways, a share, everyone, a ranking and the list of types, over six days; each panel is a request of its own, and all are sent at once. Between refreshes the range moves by 30 s; each dashboard is asked for once, and then eight times again, of which the first reads the hours that the ranges begin in. Two dashboards before them are not counted: V8 compiles the backend’s code then.',
      columns: ['refresh', ...COLUMNS],
      rows: HOW.map((how) => [NAMES[how], ...cells(refreshes[how])]),
    },
    {
      title: 'One user’s week',
      note: 'What one user received in seven days, by ten minutes, as in [Queries](#query); the users are drawn as events draw them.',
      columns: ['clients', 'question', ...COLUMNS],
      rows: [...clients].flatMap(([count, seen]) => HOW.map((how) => [String(count), NAMES[how], ...cells(seen[how])])),
    },
  ];
  const eight = clients.get(8);
  return {
    method:
      'The busy week of [Growth](#growth) with ten million events, whose hours are counted and sealed, but for the one that the dashboards look at last, which is open. Answers kept by time are off (`USERPULSE_CACHE_MS=0`). After each dashboard, every panel is compared with its answer from points.',
    tables,
    plots: [],
    targets: context.quick || eight === undefined ? [] : targets(refreshes, eight),
    summary: context.quick || eight === undefined ? [] : summary(refreshes, eight),
  };
}

const summary = (refreshes: SeenBy, eight: SeenBy): SummaryRow[] => [
  {
    question: 'a user’s week by 10 min among 10 M events, by 8 clients at once, asked again: p50 and p99, ms',
    answer: `${number(of(eight.again, 0.5))} and ${number(of(eight.again, 0.99))}`,
    beside: `nothing kept: ${number(of(eight.cold, 0.5))} and ${number(of(eight.cold, 0.99))}`,
  },
  {
    question: 'a refresh of a dashboard of ten panels, CPU ms of influxd and backend',
    answer: `${number(influxdMs(refreshes.again))} and ${number(backendMs(refreshes.again))}`,
    beside: `nothing kept: ${number(influxdMs(refreshes.cold))} and ${number(backendMs(refreshes.cold))}`,
  },
];

function targets(refreshes: SeenBy, eight: SeenBy): Target[] {
  const held = (figure: string, limit: number, value: number, why: string): Target => ({
    figure,
    target: `≤ ${number(limit)}`,
    measured: number(value),
    met: value <= limit,
    ...(value <= limit ? {} : { why: `${number(value / limit)} times the target; ${why}` }),
  });
  const open =
    'the hour that is open is read for every panel, the ranking’s IDs of it one by one; of the backend’s part a quarter is V8’s collector and compiler, and most of the rest ten requests’ HTTP and JSON';
  return [
    held(
      'a refresh of ten panels: CPU asked again, of cold',
      0.25,
      bothMs(refreshes.again) / bothMs(refreshes.cold),
      open,
    ),
    held(
      'a refresh of ten panels: influxd’s CPU asked again, of cold',
      0.25,
      influxdMs(refreshes.again) / influxdMs(refreshes.cold),
      open,
    ),
    held(
      'one user, 7 d at 10 min, 8 clients, asked again: p50 ms',
      20,
      of(eight.again, 0.5),
      'on two cores, the answers’ CPU in the backend and the client',
    ),
    held(
      'one user, 7 d at 10 min, 8 clients, asked again: p99 ms',
      60,
      of(eight.again, 0.99),
      'on two cores, the answers’ CPU in the backend and the client',
    ),
  ];
}
