import { Asker, startBackend } from '../../query/ways.ts';
import { CHDB } from '../../../tools/parts/clickhouse.ts';
import { countOf, idsToAsk, type Recipe } from '../../data/events.ts';
import { cardinality, filledInflux } from '../../data/influx.ts';
import { PREFIXES, type Layout } from '../../data/layouts.ts';
import { WEEK_FROM, WEEK_TO } from '../../data/week.ts';
import type { BenchContext, BenchPart, Table } from '../../part.ts';
import { figure, number, percentile, spread } from '../../stats.ts';
import { usageOf } from '../../usage.ts';
import { filledClickhouse } from '../stores/clickhouse.ts';
import { QUESTIONS, type PeopleQuestion } from './questions.ts';

const recipe = (users: number, events: number): Recipe => ({
  users,
  stretches: [{ fromMs: WEEK_FROM, toMs: WEEK_TO, events }],
});

/** Ours as it was before points had their counterpart. */
const WITHOUT: Layout = {
  name: 'prefixes-without-pair',
  buckets: PREFIXES.buckets,
  lines: (event) => PREFIXES.lines(event).map((line) => line?.replace(/,pair="[^"]*"/, '')),
};

const FINDINGS = `**ClickHouse is faster everywhere**: three to five times for one user or two, nine to eighteen times for everyone. It counts inside the store, and keeps a user’s rows side by side. From InfluxDB the interactions leave as rows: of a user its own, found among those of its prefix; of everyone all of the range, each of which takes influxd 0.14 µs of CPU and the backend 0.35 µs, most of it for one look into a table that no cache holds. The p99 of users are the busiest ones, with a hundred thousand interactions. Two users are counted inside InfluxDB; what takes the time is to test each point of the prefix.

**The field costs** no series, but two thirds more disk, half of it for timestamps that InfluxDB keeps again for each field, and half more CPU in influxd ([ADR 18](adr/0018-counterparts.md)).`;

export const part: BenchPart = {
  name: 'reach',
  title: 'Different people: what they cost, and ClickHouse’s uniqExact',
  run: async (context) => {
    const asked = context.quick ? recipe(5_000, 20_000) : recipe(1_000_000, 10_000_000);
    return {
      method:
        `${number(countOf(asked))} events of a week, a million users, Zipf-distributed. Userpulse is queried through its HTTP API, without kept answers; all of its numbers are exact. ` +
        `ClickHouse 26.9 is its embedded build (\`${CHDB}\`) with a table per question sorted by (id, type, time, offsetNs), queried within its own process and without FINAL. Both must give the same numbers. ` +
        `Users are asked about as often as they occur.\n\n${FINDINGS}`,
      tables: [await field(context), await questions(asked, context)],
      plots: [],
      targets: [],
    };
  },
};

/** What the second field of a point costs. */
async function field(context: BenchContext): Promise<Table> {
  const events = context.quick ? recipe(5_000, 20_000) : recipe(1_000_000, 1_000_000);
  const rows: string[][] = [];
  for (const layout of [WITHOUT, PREFIXES]) {
    const store = await filledInflux(events, layout, context.say);
    try {
      const series = await Promise.all(layout.buckets.map((bucket) => cardinality(store, bucket)));
      const { diskMiB, cpuSeconds, rssMiB, events: loaded, seconds } = store.load;
      rows.push([
        layout === PREFIXES ? 'with `pair`' : 'without',
        series.reduce((sum, count) => sum + count, 0).toLocaleString('en-US'),
        number(diskMiB),
        number((diskMiB * 1_048_576) / loaded),
        number((cpuSeconds / loaded) * 1e6),
        number(rssMiB),
        number(loaded / seconds),
      ]);
    } finally {
      await store.stop();
    }
  }
  return {
    title: 'The field `pair`',
    note: 'A million events in all four buckets, loaded once each; disk after compaction.',
    columns: [
      'points',
      'series',
      'disk MiB',
      'bytes per event',
      'influxd CPU s per M events',
      'RSS MiB',
      'events/s loaded',
    ],
    rows,
  };
}

const RANGE = `time >= fromUnixTimestamp64Milli(${WEEK_FROM}) AND time < fromUnixTimestamp64Milli(${WEEK_TO})`;
const USERS = 200;

async function questions(asked: Recipe, context: BenchContext): Promise<Table> {
  const { users } = idsToAsk(asked, USERS + 20);
  /** A user, and the next one that is another. */
  const userAt = (i: number): [string, string] => {
    const user = users[i % USERS] ?? '';
    return [user, users.slice((i % USERS) + 1).find((other) => other !== user) ?? ''];
  };
  const body = (question: PeopleQuestion, i: number): object => ({
    from: WEEK_FROM,
    to: WEEK_TO,
    queries: [{ refId: 'A', ...question.query(...userAt(i)) }],
  });
  const influx = await filledInflux(asked, PREFIXES, context.say);
  const backend = await startBackend(influx);
  const asker = new Asker(backend, influx);
  const clickhouse = await filledClickhouse(asked, context.say);
  try {
    const rows: string[][] = [];
    for (const question of QUESTIONS) {
      context.say(question.name);
      for (const i of question.ofUser ? [0, 1, 2, 3] : [0]) {
        const ours = numbersOf(await asker.ask('api', await asker.prepare(body(question, i))));
        const csv = await clickhouse.ask(question.sql(RANGE, ...userAt(i)));
        const theirs = csv
          .trim()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => Number(line.split(',').at(-1)));
        // ClickHouse leaves out windows without anyone.
        if (ours.filter((n) => n > 0).join() !== theirs.filter((n) => n > 0).join())
          throw new Error(
            `"${question.name}" of ${userAt(i).join()} is answered differently: ${ours.join()} and ${theirs.join()}`,
          );
      }
      const jobs = question.ofUser ? 20 : 3;
      const [one, other, cpu, ownCpu]: [number[][], number[][], number[], number[]] = [[], [], [], []];
      for (let round = 0; round < context.rounds; round++) {
        const numbers = Array.from({ length: jobs }, (_, i) => round * jobs + i);
        const prepared = await Promise.all(numbers.map((i) => asker.prepare(body(question, i))));
        const pids = [influx.server.pid, backend.server.pid] as const;
        const before = pids.map((pid) => usageOf(pid).cpuSeconds);
        one.push(await asker.time('api', prepared, 1));
        const used = pids.map((pid, i) => ((usageOf(pid).cpuSeconds - (before[i] ?? 0)) / jobs) * 1000);
        cpu.push(used[0] ?? 0);
        ownCpu.push(used[1] ?? 0);
        other.push(
          await clickhouse.time(
            numbers.map((i) => question.sql(RANGE, ...userAt(i))),
            1,
          ),
        );
      }
      rows.push([
        question.name,
        ...cells(one),
        number(figure(cpu).median),
        number(figure(ownCpu).median),
        ...cells(other),
      ]);
    }
    return {
      title: 'The same questions',
      note: 'Milliseconds, warm, one client; p50 with its spread over the rounds. CPU is milliseconds per query, as counted by the kernel.',
      columns: ['question', 'Userpulse p50', 'p99', 'influxd CPU', 'backend CPU', 'ClickHouse p50', 'p99'],
      rows,
    };
  } finally {
    await clickhouse.stop();
    await asker.close();
    await backend.stop();
    await influx.stop();
  }
}

function cells(rounds: readonly number[][]): string[] {
  const sorted = (list: readonly number[]): number[] => list.toSorted((a, b) => a - b);
  return [
    spread(figure(rounds.map((round) => percentile(sorted(round), 0.5)))),
    number(percentile(sorted(rounds.flat()), 0.99)),
  ];
}

/** Of the one number field of an answer. */
function numbersOf(text: string): number[] {
  const answer = JSON.parse(text) as {
    results: { A: { frames: { schema: { fields: { type: string }[] }; data: { values: number[][] } }[] } };
  };
  return answer.results.A.frames.flatMap(({ schema, data }) =>
    schema.fields.flatMap(({ type }, i) => (type === 'number' ? (data.values[i] ?? []) : [])),
  );
}
