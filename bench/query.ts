import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { childEnvironment, startLocalParts } from '../tools/parts/index.ts';
import { freePorts } from '../tools/parts/ports.ts';
import { startServer } from '../tools/parts/server.ts';
import { loadDataSet, userOfRank, type DataSet } from './query-data.ts';

/**
 * Times of queries through the HTTP API of the built backend, each next to the same Flux posted to influxd by hand (`raw`):
 * `npx tsx bench/query.ts [events] [rounds]`. Builds nothing: run `make build` before. Synthetic events over 7 days, a million users by
 * Zipf's law. The two ways are asked in turn, so that both see the same machine.
 */
const EVENTS = Number(process.argv[2] ?? 3_000_000);
const ROUNDS = Number(process.argv[3] ?? 200);
const FROM = '2026-01-01T00:00:00Z';
const TO = '2026-01-08T00:00:00Z';
const DATA: DataSet = { events: EVENTS, users: 1_000_000, fromMs: Date.parse(FROM), days: 7 };
const BUCKETS = {
  made: 'interactions_made',
  received: 'interactions_received',
  share: 'interactions_share',
  total: 'interactions_total',
} as const;
const PROGRAM = fileURLToPath(new URL('../backend/bin/userpulse.js', import.meta.url));

interface Bench {
  readonly what: string;
  /** Body of /v1/query without its range; the round, so that no two questions need be the same. */
  readonly query: (round: number) => object;
  readonly from?: string;
  readonly to?: string;
  readonly timezone?: string;
  readonly rounds?: number;
}

const user = (rank: number): string => userOfRank(rank, DATA.users);
const BENCHES: readonly Bench[] = [
  {
    what: 'one user, 10 min windows, 7 days',
    query: (n) => ({ preset: 'made', ids: [user(100 + n)], every: '10m' }),
  },
  {
    what: 'the busiest user, 10 min windows, 7 days',
    query: () => ({ preset: 'made', ids: [user(0)], every: '10m' }),
  },
  {
    what: 'one user, days of Paris, with the week before',
    query: (n) => ({ preset: 'made', ids: [user(100 + n)], every: '1d', compareTo: '1w' }),
    timezone: 'Europe/Paris',
  },
  {
    what: '10 users, 1 h windows, 7 days',
    query: (n) => ({ preset: 'made', ids: Array.from({ length: 10 }, (_, i) => user(100 + 10 * n + i)), every: '1h' }),
  },
  { what: 'everyone by hour, 7 days', query: () => ({ preset: 'everyone', every: '1h' }) },
  { what: 'everyone, total of 7 days', query: () => ({ preset: 'everyone', calc: 'total' }) },
  {
    what: 'top 10 of a day',
    query: () => ({ preset: 'top', of: 'made', n: 10 }),
    from: '2026-01-03T00:00:00Z',
    to: '2026-01-04T00:00:00Z',
    rounds: 20,
  },
];

const translated = z.object({ results: z.object({ A: z.object({ flux: z.string() }) }) });
const answered = z.object({ results: z.object({ A: z.object({ frames: z.array(z.unknown()).length(1) }) }) });

const percentile = (sorted: readonly number[], p: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? NaN).toFixed(1).padStart(9);

const parts = await startLocalParts({ influx: true });
try {
  const { influx } = parts;
  const agent = new Agent({ keepAliveTimeout: 60_000 });
  const post = async (url: string, body: unknown, token?: string): Promise<string> => {
    const answer = await request(url, {
      method: 'POST',
      dispatcher: agent,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Token ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${url} answered ${answer.statusCode}: ${text}`);
    return text;
  };

  const orgs = z
    .object({ orgs: z.array(z.object({ id: z.string() })).min(1) })
    .parse(
      await (await fetch(`${influx.url}/api/v2/orgs`, { headers: { authorization: `Token ${influx.token}` } })).json(),
    );
  for (const name of Object.values(BUCKETS))
    await post(`${influx.url}/api/v2/buckets`, { orgID: orgs.orgs[0]?.id, name, retentionRules: [] }, influx.token);
  const loading = performance.now();
  await loadDataSet(influx, BUCKETS, DATA);
  console.log(
    `${EVENTS.toLocaleString('en-US')} events loaded in ${((performance.now() - loading) / 1000).toFixed(0)} s`,
  );

  const [port = 0] = await freePorts(1);
  const api = `http://127.0.0.1:${port}`;
  const server = await startServer({
    name: 'userpulse',
    root: parts.dir,
    ports: 0,
    attempts: 1,
    plan: () => ({
      command: process.execPath,
      args: [PROGRAM, 'serve'],
      env: childEnvironment(process.env, {
        ...parts.env,
        USERPULSE_LISTEN: `127.0.0.1:${port}`,
        USERPULSE_LOG_LEVEL: 'warn',
      }),
      healthy: async () => {
        const answer = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      },
    }),
  });

  console.log(
    `${''.padEnd(48)} ${'p50 ms'.padStart(9)} ${'p99 ms'.padStart(9)} ${'raw p50'.padStart(9)} ${'raw p99'.padStart(9)}`,
  );
  for (const bench of BENCHES) {
    const ours: number[] = [];
    const raw: number[] = [];
    const rounds = Math.min(bench.rounds ?? ROUNDS, ROUNDS);
    for (let round = -2; round < rounds; round++) {
      const body = {
        from: bench.from ?? FROM,
        to: bench.to ?? TO,
        timezone: bench.timezone ?? 'UTC',
        queries: [{ refId: 'A', ...bench.query(Math.max(round, 0)) }],
      };
      const { flux } = translated.parse(JSON.parse(await post(`${api}/v1/translate`, body))).results.A;
      const timed = async (into: number[], run: () => Promise<string>): Promise<string> => {
        const start = performance.now();
        const text = await run();
        // The first two rounds warm up.
        if (round >= 0) into.push(performance.now() - start);
        return text;
      };
      const askRaw = (): Promise<string> =>
        timed(raw, () =>
          post(
            `${influx.url}/api/v2/query?org=${influx.org}`,
            { query: flux, type: 'flux', dialect: { header: true, annotations: [] } },
            influx.token,
          ),
        );
      const askOurs = async (): Promise<void> => {
        answered.parse(JSON.parse(await timed(ours, () => post(`${api}/v1/query`, body))));
      };
      // In turn first and second: whoever is second finds the data warm.
      if (round % 2 === 0) {
        await askRaw();
        await askOurs();
      } else {
        await askOurs();
        await askRaw();
      }
    }
    ours.sort((a, b) => a - b);
    raw.sort((a, b) => a - b);
    console.log(
      [
        bench.what.padEnd(48),
        percentile(ours, 0.5),
        percentile(ours, 0.99),
        percentile(raw, 0.5),
        percentile(raw, 0.99),
      ].join(' '),
    );
  }
  await server.stop();
  await agent.close();
} finally {
  await parts.stop();
}
