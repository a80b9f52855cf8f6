import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { InfluxReader } from '../influx/reader.ts';
import { HourMarks } from '../rollup/hour-marks.ts';
import { markedPoints, markedSink } from '../rollup/marked.ts';
import { Recounter } from '../rollup/recounter.ts';
import { anyWriter, ManualClock, ModelTotals, writerActions, WRITERS, type WriterAction } from '../rollup/testing.ts';
import { HOUR_MS } from '../schema/hour-marks.ts';
import { LineBlock } from '../schema/line-block.ts';
import { ModelPoints, ModelProcess, TotalsOfPoints, type ModelPoint } from './kept-testing.ts';
import { createQueryService } from './service.ts';

const FIRST_HOUR = 491_208;
const NEVER = new AbortController().signal;
const logger = pino({ level: 'silent' });
const schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
} as const;
const USERS = ['88', '89', '90'];
const [USER = ''] = USERS;
const TYPES = ['like', 'view'];

/** From the middle of an hour to the middle of another. */
const RANGE = { fromMs: (FIRST_HOUR - 0.5) * HOUR_MS, toMs: (FIRST_HOUR + 4.5) * HOUR_MS };

/** What one user made, what all did, and who received how much. */
const OF = ['made', 'everyone', 'top'] as const;
type Of = (typeof OF)[number];

type Action =
  | WriterAction
  | { readonly kind: 'forget'; readonly writer: number; readonly which: number }
  | { readonly kind: 'ask'; readonly of: Of; readonly every: '1h' | '2h' | '30m' }
  | { readonly kind: 'look' | 'free' };

const action: fc.Arbitrary<Action> = fc.oneof(
  ...writerActions({ max: 5, maxLength: 6 }, [1, 3, 6, 12, 40]),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('forget' as const), writer: anyWriter, which: fc.nat() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      of: fc.constantFrom(...OF),
      every: fc.constantFrom('1h' as const, '2h', '30m'),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'look' as const }, { kind: 'free' as const }) },
);

/** What is counted of points: of each type, or of each user. */
const COUNTED: Readonly<Record<Of, readonly ((point: ModelPoint) => boolean)[]>> = {
  made: TYPES.map((type) => (point) => point.type === type && point.user === USER),
  everyone: TYPES.map((type) => (point) => point.type === type),
  top: USERS.map((user) => (point) => point.user === user),
};

/** Counts of each hour of the range. */
const truth = (points: ModelPoints, of: Of): string[] =>
  Array.from({ length: 6 }, (_, at) => {
    const fromMs = Math.max(RANGE.fromMs, (FIRST_HOUR - 1 + at) * HOUR_MS);
    const toMs = Math.min(RANGE.toMs, (FIRST_HOUR + at) * HOUR_MS);
    return COUNTED[of].map((isOne) => points.count(fromMs, toMs, isOne)).join();
  });

/** Every hour has something and is sealed, and has been asked about: without it, few runs come so far that much is kept. */
const SETTLED: readonly Action[] = [
  { kind: 'write', writer: 0, hours: [0, 1, 2, 3, 4, 5] },
  { kind: 'close', writer: 0 },
  { kind: 'ask', of: 'made', every: '1h' },
  { kind: 'ask', of: 'everyone', every: '1h' },
  { kind: 'look' },
  { kind: 'ask', of: 'top', every: '1h' },
];

/** Runs actions side by side, step by step. @param settled actions that are over before. @returns answers, those that used kept hours, rankings of kept lists, and what was wrong */
async function run(settled: readonly Action[], actions: readonly Action[], s: fc.Scheduler, steps: readonly number[]) {
  const clock = new ManualClock((FIRST_HOUR + 6) * HOUR_MS);
  const points = new ModelPoints();
  const totals = new ModelTotals();
  const step = (what: string): Promise<unknown> => s.schedule(Promise.resolve(), what);
  const wrong: string[] = [];
  let event = 0;
  let sinceAll = 0;
  let asked = 0;
  let saved = 0;
  // Everyone who asks now, with each hour's counts since.
  const open = new Map<Set<string>[], Of>();
  const underWay = new Map<string, Set<string>[]>();
  points.onChange = () => {
    for (const [seen, of] of open) truth(points, of).forEach((counts, at) => seen[at]?.add(counts));
  };
  // A crash is a store that answers no more; what is under way may still arrive, or not.
  const begin = (number: number) => {
    const life = { dead: false };
    const mine = new ModelProcess(
      async (what) => {
        await step(what);
        if (life.dead) await new Promise(() => undefined);
      },
      points,
      totals,
    );
    const marks = new HourMarks(mine, clock, `writer${number}`);
    return { life, sink: markedSink(mine, marks), points: markedPoints({ ...reads(mine), read: never }, marks) };
  };
  const reads = (mine: ModelProcess) => ({ remove: (...of: Parameters<ModelProcess['remove']>) => mine.remove(...of) });
  let born = WRITERS;
  const writers = Array.from({ length: WRITERS }, (_, number) => begin(number));
  // Without its rests, which would count one hour at most before time passes.
  const restless = { now: () => clock.now(), sleep: () => Promise.resolve() };
  const recounter = new Recounter({ hours: new TotalsOfPoints(step, totals, points), clock: restless, logger });
  let streams = 0;
  let ranked = 0;
  const influx = new ModelProcess(
    (what) => {
      if (what === 'read') streams++;
      return step(what);
    },
    points,
    totals,
  );
  const spy: InfluxReader = {
    rows: () => influx.rows(),
    bytes: (script, onChunk) => {
      if (script.text.includes('/marks"') && script.text.includes('/ids 1"')) ranked++;
      return influx.bytes(script, onChunk);
    },
  };
  const service = createQueryService({ influx: spy, schema, now: () => clock.now(), logger, hours: true, joins: true });
  const fail = (error: unknown): void => void wrong.push(String(error));

  const answerOf = async (of: Of, every: string) => {
    const range = { from: RANGE.fromMs, to: RANGE.toMs };
    if (of === 'top') {
      const { top } = await service.top({ of: 'received', ...range, n: 10 });
      const values = USERS.map((user) => Float64Array.of(top.find(({ id }) => id === user)?.count ?? 0));
      return { times: undefined, series: values.map((each) => ({ values: each })) };
    }
    if (of === 'made') return service.interactions({ preset: of, id: USER, ...range, every, types: TYPES });
    const queries = [{ refId: 'A', preset: of, every, types: TYPES }];
    const answer = (await service.query({ ...range, timezone: 'UTC', queries })).results.get('A');
    if (answer === undefined || 'error' in answer) throw new Error(answer?.error);
    const [times, ...values] = answer.frame.columns.filter((column) => column instanceof Float64Array);
    return { times: times ?? new Float64Array(), series: values.map((each) => ({ values: each })) };
  };

  const ask = async (of: Of, every: string): Promise<void> => {
    // Who asks what is being asked already gets that answer (docs/adr/0014): his question began with the other's.
    const question = of === 'top' ? of : `${of} ${every}`;
    const seen = underWay.get(question) ?? truth(points, of).map((counts) => new Set([counts]));
    underWay.set(question, seen);
    open.set(seen, of);
    const before = service.kept.bytes;
    const results = await answerOf(of, every).finally(() => {
      open.delete(seen);
      underWay.delete(question);
    });
    asked++;
    if (before > 0) saved++;
    const { times, series } = results;
    const none = COUNTED[of].map(() => 0);
    // What each hour says: with windows of two hours, what two of them say together; a ranking says one thing of all.
    const size = times === undefined ? seen.length : every === '2h' ? 2 : 1;
    const byHour = new Map<number, number[]>();
    (times ?? [RANGE.fromMs]).forEach((ms, at) => {
      const hour = Math.floor(ms / HOUR_MS) - FIRST_HOUR + 1;
      const sums = byHour.get(hour) ?? [...none];
      series.forEach(({ values }, type) => (sums[type] = (sums[type] ?? 0) + (values[at] ?? NaN)));
      byHour.set(hour, sums);
    });
    for (const [hour, sums] of byHour) {
      const could = possible(
        Array.from({ length: size }, (_, n) => seen[hour + n] ?? new Set([none.join()])),
        none,
      );
      if (!could.has(sums.join()))
        wrong.push(`hour ${hour} of ${of} by ${every}: ${sums.join()}, not ${[...could].join(' or ')}`);
    }
  };

  const move = async (): Promise<void> => {
    // Between two steps of the store everything else has run.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (s.count() > 0) await s.waitNext(1);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const [at, each] of [...settled, ...actions].entries()) {
    switch (each.kind) {
      case 'write': {
        const lines = each.hours.map((hour) => {
          const n = event++;
          const ms = (FIRST_HOUR - 1 + hour) * HOUR_MS + ((n * 617_203) % HOUR_MS);
          const user = USERS[(n >> 1) % 3];
          return `interaction,type=${TYPES[n % 2]},prefix=${user} user=${user}i ${ms}${String(n).padStart(6, '0')}`;
        });
        writers[each.writer]?.sink.write('made', LineBlock.of(lines), NEVER).catch(fail);
        break;
      }
      case 'forget': {
        const keys = [...points.all.keys()];
        const [series = '', ns = ''] = keys[each.which % Math.max(1, keys.length)]?.split(' ') ?? [];
        if (ns === '') break;
        const place = { series, ms: Number(ns.slice(0, -6)), offsetNs: Number(ns.slice(-6)) };
        writers[each.writer]?.points.remove('made', place, NEVER).catch(fail);
        break;
      }
      case 'crash':
      case 'close': {
        const old = writers[each.writer];
        if (old !== undefined && each.kind === 'crash') old.life.dead = true;
        else old?.sink.close().catch(fail);
        writers[each.writer] = begin(born++);
        break;
      }
      case 'advance':
        // Nobody sleeps for so long that others take him for dead: of that docs/adr/0020 speaks.
        sinceAll += each.minutes;
        if (sinceAll > 15) for (sinceAll = 0; s.count() > 0;) await move();
        clock.advance(each.minutes * 60_000);
        break;
      case 'ask':
        ask(each.of, each.every).catch(fail);
        break;
      case 'look':
        recounter.look(NEVER).catch(fail);
        break;
      case 'free':
        service.kept.free(Infinity);
        break;
      default:
        each satisfies never;
    }
    const last = at < settled.length ? Infinity : (steps[at % steps.length] ?? 1);
    for (let n = 0; n < last && (n === 0 || s.count() > 0 || at >= settled.length); n++) await move();
  }
  for (let n = 0; n < 600 && (s.count() > 0 || open.size > 0); n++) await move();
  return { asked, saved, ranked, streams, wrong };
}

const never = (): Promise<never> => Promise.reject(new Error('not asked for'));

/** Sums of one of each. */
function possible(sets: readonly ReadonlySet<string>[], none: readonly number[]): Set<string> {
  let sums = new Set([none.join()]);
  for (const set of sets) {
    const next = new Set<string>();
    for (const sum of sums)
      for (const counts of set) {
        const [a, b] = [sum.split(','), counts.split(',')];
        next.add(a.map((n, at) => Number(n) + Number(b[at])).join());
      }
    sums = next;
  }
  return sums;
}

describe('an answer from kept hours', () => {
  it('is what the points say, whoever writes, removes, crashes or counts meanwhile', async () => {
    const all = { asked: 0, saved: 0, ranked: 0, streams: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 6, maxLength: 30 }),
        fc.scheduler(),
        fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom([], SETTLED),
        async (actions, s, steps, settled) => {
          const { wrong, ...seen } = await run(settled, actions, s, steps);
          for (const key of ['asked', 'saved', 'ranked', 'streams'] as const) all[key] += seen[key];
          expect(wrong).toEqual([]);
        },
      ),
      { numRuns: 400 },
    );
    // The property would hold of hours that are never kept.
    expect(all.asked).toBeGreaterThan(500);
    expect(all.saved).toBeGreaterThan(100);
    expect(all.ranked).toBeGreaterThan(50);
  });
});
