import { usageOf } from '../usage.ts';
import type { Backend } from './ways.ts';
import { WAYS, type Asker, type Prepared, type Way } from './ways.ts';
import type { Question } from './questions.ts';

export const CLIENTS = [1, 8, 32] as const;

/** What was seen of a question asked in one way by so many clients. */
export interface Seen {
  /** Latencies in ms by round. */
  readonly rounds: number[][];
  /** CPU seconds of both servers together over all rounds. */
  influxdSeconds: number;
  backendSeconds: number;
}

/** A question with everything seen of it. */
export interface Cell {
  readonly question: Question;
  readonly seen: ReadonlyMap<string, Seen>;
  /** API minus raw, in ms, of pairs that were asked one after the other by one client. */
  readonly differences: number[];
}

export const seenKey = (way: Way, clients: number): string => `${way} ${clients}`;

/** What one client may take of a round for a question, and what several may. */
const BUDGET_MS = { alone: 300, together: 500 };
/** Answers in a queue longer than this would only measure the queue. */
const LONGEST_QUEUE_MS = 5_000;
const MOST_REQUESTS_ALONE = 20;
const MOST_REQUESTS_EACH = 8;

/** Requests by so many clients in one round, by what one takes; 0 where it is not worth asking. */
export function requestsOf(clients: number, oneMs: number): number {
  if (clients === 1) return Math.max(1, Math.min(MOST_REQUESTS_ALONE, Math.floor(BUDGET_MS.alone / oneMs)));
  if (clients * oneMs > LONGEST_QUEUE_MS) return 0;
  return Math.max(clients, Math.min(clients * MOST_REQUESTS_EACH, Math.floor((2 * BUDGET_MS.together) / oneMs)));
}

/** Asks every question in both ways, by 1, 8 and 32 clients, in each of the rounds; the ways take turns in going first. */
export async function measure(options: {
  readonly questions: readonly Question[];
  readonly asker: Asker;
  readonly backend: Backend;
  readonly influxdPid: () => number | undefined;
  readonly rounds: number;
  /** As few requests as there are clients. */
  readonly quick: boolean;
  readonly say: (line: string) => void;
}): Promise<Cell[]> {
  const { asker, rounds, say } = options;
  const cells: (Cell & { oneMs: number; next: number; readonly prepared: Map<number, Prepared> })[] = [];
  for (const question of options.questions) {
    const cell = { question, seen: new Map<string, Seen>(), differences: [], oneMs: 0, next: 0, prepared: new Map() };
    // What a second answer takes: the first one finds everything cold.
    for (let n = 0; n < 2; n++) {
      const begun = performance.now();
      await asker.ask('api', await asker.prepare(question.body(n)));
      cell.oneMs = performance.now() - begun;
    }
    cells.push(cell);
  }
  for (let round = 0; round < rounds; round++) {
    say(`round ${round + 1} of ${rounds}`);
    for (const cell of cells) {
      for (const clients of CLIENTS) {
        const count = options.quick ? clients : requestsOf(clients, cell.oneMs);
        const asked: Prepared[] = [];
        for (let n = 0; n < count; n++) {
          const number = cell.next++ % 997;
          const ready = cell.prepared.get(number) ?? (await asker.prepare(cell.question.body(number)));
          cell.prepared.set(number, ready);
          asked.push(ready);
        }
        if (count === 0) continue;
        if (clients === 1) await alone(cell, asked, asker);
        else await together(cell, asked, clients, round % 2 === 0 ? WAYS : WAYS.toReversed(), options);
      }
    }
  }
  return cells;
}

const seenOf = (cell: Cell, way: Way, clients: number): Seen => {
  const all = cell.seen as Map<string, Seen>;
  const key = seenKey(way, clients);
  const seen = all.get(key) ?? { rounds: [], influxdSeconds: 0, backendSeconds: 0 };
  all.set(key, seen);
  return seen;
};

/** Pair by pair, so that both ways see the same machine; whoever is second finds the data warm, so they take turns. */
async function alone(cell: Cell, asked: readonly Prepared[], asker: Asker): Promise<void> {
  const latencies: Record<Way, number[]> = { api: [], raw: [] };
  for (const [n, question] of asked.entries()) {
    for (const way of n % 2 === 0 ? WAYS : WAYS.toReversed())
      latencies[way].push(...(await asker.time(way, [question], 1)));
    cell.differences.push((latencies.api.at(-1) ?? NaN) - (latencies.raw.at(-1) ?? NaN));
  }
  for (const way of WAYS) seenOf(cell, way, 1).rounds.push(latencies[way]);
}

async function together(
  cell: Cell,
  asked: readonly Prepared[],
  clients: number,
  ways: readonly Way[],
  servers: { readonly asker: Asker; readonly backend: Backend; readonly influxdPid: () => number | undefined },
): Promise<void> {
  const used = (): [influxd: number, backend: number] => [
    usageOf(servers.influxdPid()).cpuSeconds,
    usageOf(servers.backend.server.pid).cpuSeconds,
  ];
  for (const way of ways) {
    const seen = seenOf(cell, way, clients);
    const [influxdBefore, backendBefore] = used();
    seen.rounds.push(await servers.asker.time(way, asked, clients));
    const [influxd, backend] = used();
    seen.influxdSeconds += influxd - influxdBefore;
    seen.backendSeconds += backend - backendBefore;
  }
}
