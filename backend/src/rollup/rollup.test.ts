import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { cleanHours } from '../schema/hour-counts.ts';
import { HOUR_MS } from '../schema/hour-marks.ts';
import { LineBlock } from '../schema/line-block.ts';
import { HourMarks } from './hour-marks.ts';
import { markedSink } from './marked.ts';
import { Recounter } from './recounter.ts';
import { ManualClock, ModelTotals, writerActions, WRITERS, type WriterAction } from './testing.ts';

const FIRST_HOUR = 491_208;
const NEVER = new AbortController().signal;
const logger = pino({ level: 'silent' });

type Action = WriterAction | { readonly kind: 'look' };

const action: fc.Arbitrary<Action> = fc.oneof(...writerActions({ max: 2, maxLength: 3 }, [1, 3, 6, 12, 40, 70]), {
  weight: 3,
  arbitrary: fc.constant({ kind: 'look' as const }),
});

/** What a query would take from counts, at this instant, beside what the points say. */
function differences(store: ModelTotals): string[] {
  const { marks, counts } = store.look({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, field: 'counts' });
  return [...cleanHours(marks, counts)].flatMap(([hour, { types }]) => {
    const stored = store.inHour(hour).length;
    const believed = [...types.values()].reduce((sum, [count = 0]) => sum + count, 0);
    return stored === believed ? [] : [`hour ${hour}: ${believed} are believed, ${stored} are stored`];
  });
}

/** Runs actions side by side, step by step. @returns hours that were clean at some time, and what was wrong */
async function run(actions: readonly Action[], s: fc.Scheduler, steps: readonly number[]) {
  const clock = new ManualClock((FIRST_HOUR + 1) * HOUR_MS);
  let event = 0;
  let sinceAll = 0;
  let clean = 0;
  const wrong: string[] = [];
  const store = new ModelTotals((what) => s.schedule(Promise.resolve(), what));
  // A crash is a store that answers no more; what is under way may still arrive, or not.
  const open = (number: number) => {
    const life = { dead: false };
    const mine = new ModelTotals(async (what) => {
      await s.schedule(Promise.resolve(), what);
      if (life.dead) await new Promise(() => undefined);
    }, store);
    const marks = new HourMarks(mine, clock, `writer${number}`);
    const sink = markedSink(
      { write: (...of) => mine.write(...of), troubleSinceMs: undefined, close: () => Promise.resolve() },
      marks,
    );
    return { life, sink };
  };
  let born = WRITERS;
  const writers = Array.from({ length: WRITERS }, (_, number) => open(number));
  const recounter = new Recounter({ hours: store, clock, logger });
  const check = (): void => {
    wrong.push(...differences(store));
    const { marks, counts } = store.look({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, field: 'counts' });
    clean = Math.max(clean, cleanHours(marks, counts).size);
  };
  const move = async (): Promise<void> => {
    // Between two steps of the store everything else has run.
    await new Promise((resolve) => setImmediate(resolve));
    if (s.count() > 0) await s.waitNext(1);
    await new Promise((resolve) => setImmediate(resolve));
    check();
  };
  for (const [at, each] of actions.entries()) {
    switch (each.kind) {
      case 'write': {
        const lines = each.hours.map(
          (hour) =>
            `interaction,type=like made=1i,received=0i,share="-" ${(FIRST_HOUR + hour) * HOUR_MS + event++}000000`,
        );
        writers[each.writer]?.sink
          .write('total', LineBlock.of(lines), NEVER)
          .catch((error: unknown) => wrong.push(String(error)));
        break;
      }
      case 'crash':
      case 'close': {
        const old = writers[each.writer];
        if (old !== undefined && each.kind === 'crash') old.life.dead = true;
        else old?.sink.close().catch((error: unknown) => wrong.push(String(error)));
        writers[each.writer] = open(born++);
        break;
      }
      case 'advance':
        // Nobody sleeps for so long that others take him for dead: of that docs/adr/0020 speaks.
        sinceAll += each.minutes;
        if (sinceAll > 15) {
          for (sinceAll = 0; s.count() > 0;) await move();
        }
        clock.advance(each.minutes * 60_000);
        break;
      case 'look':
        recounter.look(NEVER).catch((error: unknown) => wrong.push(String(error)));
        break;
      default:
        each satisfies never;
    }
    for (let n = 0; n < (steps[at % steps.length] ?? 1); n++) await move();
  }
  for (let n = 0; n < 400 && s.count() > 0; n++) await move();
  return { clean, wrong, store, clock, recounter };
}

describe('counted hours', () => {
  it('are believed only while they are what the points say, whoever writes, crashes, sleeps or counts at the same time', async () => {
    let everClean = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 6, maxLength: 25 }),
        fc.scheduler(),
        fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 8 }),
        async (actions, s, steps) => {
          const { clean, wrong } = await run(actions, s, steps);
          if (clean > 0) everClean++;
          expect(wrong).toEqual([]);
        },
      ),
      { numRuns: 600 },
    );
    // The property would hold of an hour that is never believed.
    expect(everClean).toBeGreaterThan(100);
  });
});
