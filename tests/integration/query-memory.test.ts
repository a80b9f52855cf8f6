import { afterAll, beforeAll, expect, it } from 'vitest';
import { UserpulseServer } from '../support/cli.ts';
import { eventually } from '../support/parts.ts';
import { fillWorld, metricOf, runClients, type LoadWorld } from '../support/query-load.ts';

/** The short form of `make serve-memory`: few clients, small data, and a budget so small that all of its refusals occur. */
const SECONDS = 8;
let world: LoadWorld;
let server: UserpulseServer;
beforeAll(async () => {
  world = await fillWorld({ types: 20, windows: 3_000 }, Date.now(), () => undefined);
  server = await UserpulseServer.start('serve', { ...world.buckets.env, USERPULSE_QUERY_MAX_BYTES: '25165824' });
});
afterAll(() => server.stop());

it('under clients that ask for too much every answer is right or refused, and nothing of the budget is lost', async () => {
  const { tallies, wrong } = await runClients(server, world, {
    clients: 12,
    seed: 7,
    until: AbortSignal.timeout(SECONDS * 1000),
  });
  expect(wrong).toEqual([]);
  const sum = (of: 'answered' | 'tooLarge' | 'busy'): number => tallies.reduce((all, tally) => all + tally[of], 0);
  expect(sum('answered')).toBeGreaterThan(0);
  // Fifty of the largest queries at once.
  expect(sum('tooLarge')).toBeGreaterThan(0);
  await eventually(
    async () => {
      const metrics = await server.metrics();
      return ['userpulse_query_bytes', 'userpulse_queries_running', 'userpulse_queries_waiting'].every(
        (name) => metricOf(metrics, name) === 0,
      );
    },
    { what: 'an empty budget', timeoutMs: 30_000 },
  );
  expect(metricOf(await server.metrics(), 'userpulse_queries_refused_total')).toBeGreaterThanOrEqual(
    sum('tooLarge') + sum('busy'),
  );
});

it('a closed range is read once for all who ask at once, and given again with its age', async () => {
  const ask = async (): Promise<{ readonly age: string | null; readonly body: string }> => {
    const answer = await server.fetch(`/v1/top?of=made&n=3&from=${world.fromMs}&to=${world.toMs}`);
    expect(answer.status).toBe(200);
    return { age: answer.headers.get('age'), body: await answer.text() };
  };
  const before = metricOf(await server.metrics(), 'userpulse_query_answers_total');
  const answers = await Promise.all([ask(), ask(), ask()]);
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
  expect((await ask()).age).not.toBeNull();
  expect(metricOf(await server.metrics(), 'userpulse_query_answers_total') - before).toBe(4);
});
