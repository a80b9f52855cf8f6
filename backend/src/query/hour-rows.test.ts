import { expect, it } from 'vitest';
import type { JoinableQuestion } from '../influx/joined-reader.ts';
import { QueryBudget } from './budget.ts';
import { HourRows } from './hour-rows.ts';
import { HourSeals } from './hour-seals.ts';
import { KeptHours } from './kept-hours.ts';

const schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
} as const;
const HOUR = 491_208;
const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

/** Questions that wait to be sent, and are answered when told to. */
function world() {
  const asked: { readonly question: JoinableQuestion; end(): void }[] = [];
  const joined = {
    ask: (question: JoinableQuestion) => new Promise<void>((end) => void asked.push({ question, end: () => end() })),
  };
  const budget = new QueryBudget({ maxBytes: 8e6, running: 1, waiting: 0, waitMs: 1 });
  const seals = new HourSeals(joined, schema, () => 0);
  const rows = new HourRows(joined, new KeptHours(seals, budget, () => 0), schema);
  /** @returns the text of the script */
  const send = (at: number, ids: readonly string[] = []): string => {
    const { question } = asked[at]!;
    const seriesOf = question.begin();
    for (const id of ids) {
      const bytes = Buffer.from(id);
      seriesOf('points', 'like')(HOUR * 3_600_000 + 5, bytes, 0, bytes.length);
    }
    return question.script('0/').text;
  };
  return { asked, rows, seals, send };
}

it('rows of an hour are read in one stream for all ids that are asked for before it is sent, and no later', async () => {
  const { asked, rows, send } = world();
  const [a, b, again] = [
    rows.points('made', '88', HOUR),
    rows.points('made', '677', HOUR),
    rows.points('made', '88', HOUR),
  ];
  await turn();
  expect(asked).toHaveLength(1);
  expect(send(0, ['677', '88', '677'])).toContain('(r._value == 88 or r._value == 677)');
  // What was sent may be older than this question.
  const later = rows.points('made', '88', HOUR);
  await turn();
  expect(asked).toHaveLength(2);
  asked[0]?.end();
  expect((await Promise.all([a, b, again])).map((each) => each?.length)).toEqual([1, 2, 1]);
  send(1, []);
  asked[1]?.end();
  expect(await later).toEqual([]);
});

it('other hours and buckets are other streams', async () => {
  const { asked, rows } = world();
  for (const [preset, hour] of [
    ['made', HOUR],
    ['made', HOUR + 1],
    ['received', HOUR],
  ] as const)
    void rows.points(preset, '88', hour);
  await turn();
  expect(asked).toHaveLength(3);
});

it('more points than are read one by one are none', async () => {
  const { asked, rows, send } = world();
  const many = rows.points('made', '88', HOUR);
  await turn();
  send(
    0,
    Array.from({ length: 10_001 }, () => '88'),
  );
  asked[0]?.end();
  expect(await many).toBeUndefined();
});

it('a look at marks is shared by those who come before it is sent, and the next one waits for it', async () => {
  const { asked, seals, send } = world();
  const first = seals.look({ first: HOUR, end: HOUR + 2 });
  const wider = seals.look({ first: HOUR - 3, end: HOUR + 1 });
  expect(asked).toHaveLength(1);
  // The hull of both.
  expect(send(0)).toContain('start: 2026-01-13T21:00:00.000Z, stop: 2026-01-14T02:00:00.000Z');
  const later = seals.look({ first: HOUR, end: HOUR + 1 });
  await turn();
  expect(asked).toHaveLength(1);
  asked[0]?.end();
  await Promise.all([first, wider]);
  await turn();
  expect(asked).toHaveLength(2);
  send(1);
  asked[1]?.end();
  await later;
  expect([seals.number, seals.knows({ first: HOUR - 3, end: HOUR + 2 }), seals.sealedSince(HOUR)]).toEqual([
    3,
    true,
    undefined,
  ]);
});
