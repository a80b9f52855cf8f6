import { Agent, request } from 'undici';
import type { Recipe } from '../data/events.ts';
import { timeJobs } from '../clients.ts';
import type { Backend } from '../query/ways.ts';
import { questionsOf, RANGES } from '../query/questions.ts';
import { usageOf } from '../usage.ts';
import { dashboards, type Panel } from './panels.ts';

/** How something was asked: `cold` with `Cache-Control: no-cache`, for the `first` time, or `again`. */
export const HOW = ['cold', 'first', 'again'] as const;
export type How = (typeof HOW)[number];

/** What was seen of one of them. */
export interface Seen {
  readonly ms: number[];
  asked: number;
  influxdSeconds: number;
  backendSeconds: number;
}
export type SeenBy = Record<How, Seen>;

const nothing = (): Seen => ({ ms: [], asked: 0, influxdSeconds: 0, backendSeconds: 0 });
const seenBy = (): SeenBy => ({ cold: nothing(), first: nothing(), again: nothing() });

export interface MeasureOptions {
  readonly backend: Backend;
  readonly influxdPid: () => number | undefined;
  readonly recipe: Recipe;
  readonly say: (line: string) => void;
}

/** Asks panels as Grafana does: each in a request of its own. */
export class Client {
  readonly #agent = new Agent({ connections: 64, keepAliveTimeout: 60_000, headersTimeout: 0, bodyTimeout: 0 });
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** @returns the answer's text. Throws where it fails. */
  async ask({ method, path, body }: Panel, how: How): Promise<string> {
    const answer = await request(`${this.#url}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(how === 'cold' ? { 'cache-control': 'no-cache' } : {}),
      },
      body: body ?? null,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300 || text.includes('"errorCode"')) throw new Error(`${path}: ${text.slice(0, 500)}`);
    return text;
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}

/** Runs work and adds what it took of both servers. */
async function counted(seen: Seen, asked: number, options: MeasureOptions, work: () => Promise<number[]>) {
  const used = (): readonly [number, number] => [
    usageOf(options.influxdPid()).cpuSeconds,
    usageOf(options.backend.server.pid).cpuSeconds,
  ];
  const [influxd, backend] = used();
  seen.ms.push(...(await work()));
  seen.asked += asked;
  const [influxdAfter, backendAfter] = used();
  seen.influxdSeconds += influxdAfter - influxd;
  seen.backendSeconds += backendAfter - backend;
}

/** Refreshes after the first one, of each dashboard. */
const REFRESHES = 8;
/** Dashboards before those that are measured: V8 compiles what the backend runs for them. */
const WARM_UP = 2;

/** Asks for the panels of so many dashboards, each cold, for the first time, and a few times again, a little later each time. */
export async function measureDashboards(count: number, options: MeasureOptions): Promise<SeenBy> {
  const panelsOf = dashboards(options.recipe);
  const client = new Client(options.backend.url);
  let seen = seenBy();
  const refresh = (number: number, at: number, how: How) =>
    counted(seen[how], 1, options, async () => {
      const begun = performance.now();
      await Promise.all(panelsOf(number, at).map((panel) => client.ask(panel, how)));
      return [performance.now() - begun];
    });
  try {
    for (let number = 0; number < WARM_UP + count; number++) {
      if (number % 10 === 0) options.say(`dashboard ${number + 1} of ${WARM_UP + count}`);
      if (number === WARM_UP) seen = seenBy();
      await refresh(number, 0, 'cold');
      await refresh(number, 1, 'first');
      for (let at = 2; at < 2 + REFRESHES; at++) {
        await refresh(number, at, 'again');
        await refresh(number, at, 'cold');
      }
      for (const panel of panelsOf(number, 2 + REFRESHES)) {
        const [kept, cold] = [await client.ask(panel, 'again'), await client.ask(panel, 'cold')];
        if (rowsOf(kept) !== rowsOf(cold))
          throw new Error(`The panel ${panel.name} has another answer from what is kept.`);
      }
    }
  } finally {
    await client.close();
  }
  return seen;
}

/** What an answer holds, without what says how it was made. */
function rowsOf(text: string): string {
  const answer = JSON.parse(text) as {
    readonly results?: { readonly A: { readonly frames: { readonly data: unknown }[] } };
  };
  return answer.results === undefined ? text : JSON.stringify(answer.results.A.frames.map(({ data }) => data));
}

/** One user's week, asked by so many clients: different users, drawn as events draw them. */
export async function measureClients(clients: number, count: number, options: MeasureOptions): Promise<SeenBy> {
  const [, , WEEK] = RANGES;
  const { body } = questionsOf(options.recipe)('received', WEEK);
  const client = new Client(options.backend.url);
  const seen = seenBy();
  try {
    for (let from = 0; from < count; from += clients * 8) {
      const panels = Array.from({ length: clients * 8 }, (_, at): Panel => {
        return { name: 'one user', method: 'POST', path: '/v1/query', body: JSON.stringify(body(from + at)) };
      });
      for (const how of HOW)
        await counted(seen[how], panels.length, options, () =>
          timeJobs(
            panels.map((panel) => () => client.ask(panel, how)),
            clients,
          ),
        );
    }
  } finally {
    await client.close();
  }
  return seen;
}
