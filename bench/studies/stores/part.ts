import { WEEK_FROM, WEEK_TO } from '../../data/week.ts';
import type { BenchContext, BenchPart, PartResult, Plot, Table } from '../../part.ts';
import { figure, number, percentile, spread } from '../../stats.ts';
import { CHDB } from '../../../tools/parts/clickhouse.ts';
import { GIVE_UP_MS, startContenders, stopAll, type Access, type Contender } from './contenders.ts';
import { idsToAsk, type Recipe } from '../../data/events.ts';
import type { StoreQuestion } from './questions.ts';
import type { Usage } from '../../usage.ts';

const DAY_MS = 86_400_000;
const WEEK = { fromMs: WEEK_FROM, toMs: WEEK_TO };
const QUESTIONS: readonly StoreQuestion[] = [
  { name: 'one user, 7 d at 10 min', kind: 'user', ...WEEK, everySeconds: 600 },
  { name: 'one share, 7 d at 10 min', kind: 'share', ...WEEK, everySeconds: 600 },
  { name: 'everyone, 7 d at 1 h', kind: 'everyone', ...WEEK, everySeconds: 3600 },
  {
    name: 'top 10 of a day',
    kind: 'top',
    fromMs: WEEK_FROM + DAY_MS,
    toMs: WEEK_FROM + 2 * DAY_MS,
    everySeconds: 3600,
  },
];

const WHERE_OTHERS_WIN = `Where Userpulse wins: **everyone and top**, because hours that are over are counted once ([ADR 20](adr/0020-counted-hours.md)): about a tenth and a quarter of ClickHouse’s time with one client, a twentieth with eight, and the answers are exact, FINAL or not. From points alone, ClickHouse groups by ID inside the store while InfluxDB streams every ID of the range to the backend: it takes a fifth of the time for top, and a third more for everyone. **An event sent twice** is one point at once and for every query, without FINAL. **Disk** is a little less, although every point also names the other end.

Where ClickHouse wins, and what Userpulse would need:

- **One user or share**: about half of the time with one client. Each Flux script costs influxd about 2 ms of CPU (twice that on a slow machine) to evaluate Flux’s own library before it reads anything. Prepared statements would avoid that. With eight clients, when two cores limit both, neither is ahead for both questions.
- **CPU to load**: three tenths. Userpulse keeps four points per event where ClickHouse needs three rows, and InfluxDB parses text.

If you already run ClickHouse and ask mostly about single users, there is little reason to add InfluxDB for this alone.

Where N2 wins: **one user or share**. It reads that ID’s points and no others: half to two thirds of the time, because no point has to be tested for its ID. In exchange it has eighteen times the series, and they grow with the users: almost four times the memory, nine times the restart time, and everyone and top take hundreds of times as long. With fewer than some ten thousand active IDs it would be the better design.`;

/** The same events for everyone. */
const RECIPE: Recipe = { users: 300_000, stretches: [{ ...WEEK, events: 3_000_000 }] };
const QUICK: Recipe = { users: 5_000, stretches: [{ ...WEEK, events: 20_000 }] };

export const part: BenchPart = {
  name: 'stores',
  title: 'Storage: prefixes beside the naive designs and ClickHouse',
  run: async (context) => {
    const recipe = context.quick ? QUICK : RECIPE;
    const contenders = await startContenders(recipe, context.say);
    try {
      const answers = await askAll(contenders, recipe, context);
      const restarts = await restartAll(contenders, context);
      return await report(contenders, answers, restarts, recipe);
    } finally {
      await stopAll(contenders);
    }
  },
};

/** Latencies in ms by round, of 1 and 8 clients; none where a first answer took longer than anyone waits. */
interface Answers {
  readonly access: Access;
  readonly question: StoreQuestion;
  readonly one: number[][];
  readonly eight: number[][];
  /** Of the first answer. */
  readonly firstMs: number | undefined;
}

const BUDGET_MS = 400;
/** What takes longer is asked in one round only. */
const SLOW_MS = 3_000;

async function askAll(contenders: readonly Contender[], recipe: Recipe, context: BenchContext): Promise<Answers[]> {
  const ids = idsToAsk(recipe, 200);
  const idsOf = (question: StoreQuestion): readonly string[] => (question.kind === 'share' ? ids.shares : ids.users);
  const answers: Answers[] = [];
  for (const question of QUESTIONS) {
    const sums = new Map<string, number>();
    for (const access of contenders.flatMap((contender) => contender.accesses)) {
      context.say(`${question.name}: ${access.name}`);
      const begun = performance.now();
      const sum = await access.sum(question, idsOf(question)[0] ?? '').catch((error: unknown) => {
        if (performance.now() - begun < GIVE_UP_MS * 0.9) throw error;
        return undefined;
      });
      if (sum !== undefined) sums.set(access.name, sum);
      const firstMs = sum === undefined ? undefined : performance.now() - begun;
      answers.push({ access, question, one: [], eight: [], firstMs });
    }
    // Speed says nothing where the answers differ.
    if (new Set(sums.values()).size > 1)
      throw new Error(`"${question.name}" is answered differently: ${JSON.stringify([...sums])}`);
  }
  for (let round = 0; round < context.rounds; round++) {
    context.say(`round ${round + 1} of ${context.rounds}`);
    // Whoever was first is last the next time.
    for (const answer of round % 2 === 0 ? answers : answers.toReversed()) {
      const { access, question, firstMs } = answer;
      if (firstMs === undefined || (firstMs > SLOW_MS && round > 0)) continue;
      const all = idsOf(question);
      const some = (count: number): string[] =>
        Array.from({ length: count }, (_, i) => all[(round * 40 + i) % all.length] ?? '');
      const alone = Math.max(1, Math.min(20, Math.floor(BUDGET_MS / firstMs)));
      answer.one.push(await access.time(question, some(alone), 1));
      if (firstMs < 1_500) answer.eight.push(await access.time(question, some(Math.max(8, 2 * alone)), 8));
    }
  }
  return answers;
}

interface Restarts {
  readonly ms: number[];
  /** After the questions, before the restarts. */
  readonly used: Usage;
  /** After the last restart and the first answer. */
  readonly afterRestart: Usage;
}

async function restartAll(contenders: readonly Contender[], context: BenchContext): Promise<Restarts[]> {
  const restarts: Restarts[] = [];
  for (const contender of contenders) {
    context.say(`restarts of ${contender.name}`);
    const used = contender.usage();
    const ms: number[] = [];
    // A restart that takes half a minute is known well enough after two.
    while (ms.length < context.rounds && ((ms[0] ?? 0) < 10_000 || ms.length < 2)) ms.push(await contender.restart());
    restarts.push({ ms, used, afterRestart: contender.usage() });
  }
  return restarts;
}

async function report(
  contenders: readonly Contender[],
  answers: readonly Answers[],
  restarts: readonly Restarts[],
  recipe: Recipe,
): Promise<PartResult> {
  return {
    method:
      `The same ${number(recipe.stretches.reduce((sum, s) => sum + s.events, 0))} events of a week, ${number(recipe.users)} users, for every store. All stores run side by side, one is queried at a time, and all must return the same counts. ` +
      'N1, a design that was published as a failure, has one bucket with user and share IDs as tags. N2 has a bucket per question with its ID as a tag. ' +
      `ClickHouse 26.9 is its embedded build (\`${CHDB}\`) with a table per question sorted by (id, type, time, offsetNs). It is queried from threads of its own process, without network or client library, which saves it a millisecond or two. ` +
      'Its tables are ReplacingMergeTree: with FINAL, an event that is sent twice counts once, as Userpulse promises; without FINAL, only after the merge. Userpulse is queried through its HTTP API, as it answers by itself (the week’s hours counted, hours that are closed kept from one question to the next) and with USERPULSE_ROLLUP=off.\n\n' +
      WHERE_OTHERS_WIN,
    tables: [costs(contenders, restarts, await Promise.all(contenders.map((each) => each.series()))), times(answers)],
    plots: [rates(contenders)],
    targets: [],
  };
}

function costs(
  contenders: readonly Contender[],
  restarts: readonly Restarts[],
  series: readonly (number | undefined)[],
): Table {
  return {
    title: 'What the events cost each store',
    note: `Loaded once, in batches of 10,000 events, into every bucket or table at the same time; disk is measured after compaction. Userpulse also writes a fourth point per event, for everyone’s totals. Memory is resident memory after loading, after the queries, and after a restart with one empty query. A restart is timed from start to first answer, with an emptied page cache.`,
    columns: [
      'store',
      'series',
      'disk MiB',
      'events/s loaded',
      'last tenth',
      'CPU s per M events',
      'RSS MiB loaded',
      'RSS MiB asked',
      'RSS MiB restarted',
      'restart ms',
    ],
    rows: contenders.map(({ name, load }, i) => {
      const restart = restarts[i];
      const count = series[i];
      return [
        name,
        count === undefined ? '–' : count.toLocaleString('en-US'),
        number(load.diskMiB),
        number(load.events / load.seconds),
        number(load.rates.at(-1) ?? NaN),
        number((load.cpuSeconds / load.events) * 1e6),
        number(load.rssMiB),
        number(restart?.used.rssMiB ?? NaN),
        number(restart?.afterRestart.rssMiB ?? NaN),
        spread(figure(restart?.ms ?? [])),
      ];
    }),
  };
}

const medianOf = (round: readonly number[]): number =>
  percentile(
    round.toSorted((a, b) => a - b),
    0.5,
  );

function times(answers: readonly Answers[]): Table {
  const cell = (rounds: readonly number[][]): string[] => {
    const all = rounds.flat().toSorted((a, b) => a - b);
    return all.length === 0 ? ['–', '–'] : [spread(figure(rounds.map(medianOf))), number(percentile(all, 0.99))];
  };
  /** Median against that of the first to be asked, which is Userpulse. */
  const against = ({ question, one }: Answers): string => {
    const ours = answers.find((other) => other.question === question);
    if (ours === undefined || one.length === 0) return '–';
    return number(figure(one.map(medianOf)).median / figure(ours.one.map(medianOf)).median);
  };
  return {
    title: 'The same questions',
    note: `Milliseconds, warm. × is p50 with one client relative to Userpulse’s, below 1 where the other store is faster. Queries are given up after ${GIVE_UP_MS / 1000} s. Where an answer takes longer than ${SLOW_MS / 1000} s, it is measured in one round only; where it takes longer than 1.5 s, not with eight clients.`,
    columns: ['question', 'store', 'p50, 1 client', '×', 'p99', 'p50, 8 clients', 'p99'],
    rows: answers.map((answer) => {
      const { question, access, one, eight, firstMs } = answer;
      const [p50, p99] = firstMs === undefined ? [`> ${number(GIVE_UP_MS)}`, '–'] : cell(one);
      return [question.name, access.name, p50 ?? '–', against(answer), p99 ?? '–', ...cell(eight)];
    }),
  };
}

const rates = (contenders: readonly Contender[]): Plot => ({
  file: 'stores-load.svg',
  title: 'Events per second while the store fills',
  x: { label: 'events loaded (millions)' },
  y: { label: 'events/s', log: true },
  series: contenders.map(({ name, load }) => ({
    name: name.split(':')[0] ?? name,
    points: load.rates.map((rate, i) => [((i + 1) * load.events) / load.rates.length / 1e6, rate] as const),
  })),
});
