import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { childEnvironment } from '../../tools/parts/index.ts';
import { freePorts, LOOPBACK } from '../../tools/parts/ports.ts';
import type { Server } from '../../tools/parts/server.ts';
import type { InfluxAccess } from '../../tools/stores.ts';
import { startService } from '../../tools/userpulse.ts';
import { timeJobs } from '../clients.ts';
import type { Body } from './questions.ts';

/** The built `userpulse serve` on an influxd. */
export interface Backend {
  readonly url: string;
  readonly server: Server;
  stop(): Promise<void>;
}

/** @param settings that differ from the benchmark's */
export async function startBackend(
  influx: InfluxAccess,
  settings: Readonly<Record<string, string>> = {},
): Promise<Backend> {
  const [port = 0] = await freePorts(1);
  const url = `http://${LOOPBACK}:${port}`;
  const server = await startService({
    command: 'serve',
    root: await mkdtemp(join(tmpdir(), 'userpulse-bench-')),
    url,
    env: childEnvironment(process.env, {
      INFLUX_HOST: influx.url,
      INFLUX_ORG: influx.org,
      INFLUX_TOKEN: influx.token,
      USERPULSE_LISTEN: `${LOOPBACK}:${port}`,
      USERPULSE_LOG_LEVEL: 'warn',
      // Else whoever asks again is answered without InfluxDB.
      USERPULSE_CACHE_MS: '0',
      ...settings,
    }),
  });
  return { url, server, stop: () => server.stop() };
}

export const WAYS = ['api', 'raw'] as const;
/** `api`: POST /v1/query. `raw`: the Flux that it runs, posted to influxd by hand. */
export type Way = (typeof WAYS)[number];

/** A question made ready to be posted: nothing is built or translated while the clock runs. */
export interface Prepared {
  readonly api: string;
  readonly raw: string;
}

const translated = z.object({ results: z.object({ A: z.object({ flux: z.string() }) }) });

export class Asker {
  readonly #agent = new Agent({ connections: 64, keepAliveTimeout: 60_000, headersTimeout: 0, bodyTimeout: 0 });
  readonly #backend: Backend;
  readonly #influx: InfluxAccess;

  constructor(backend: Backend, influx: InfluxAccess) {
    this.#backend = backend;
    this.#influx = influx;
  }

  async prepare(body: Body): Promise<Prepared> {
    const api = JSON.stringify(body);
    const text = await this.#post(`${this.#backend.url}/v1/translate`, api, {});
    const answer = translated.safeParse(JSON.parse(text));
    if (!answer.success) throw new Error(`/v1/translate answered ${text.slice(0, 500)} to ${api}`);
    const { flux } = answer.data.results.A;
    return { api, raw: JSON.stringify({ query: flux, type: 'flux', dialect: { header: true, annotations: [] } }) };
  }

  /** @returns the answer's text. Throws where a query fails, alone or not. */
  async ask(way: Way, question: Prepared): Promise<string> {
    if (way === 'raw') {
      const { url, org, token } = this.#influx;
      return this.#post(`${url}/api/v2/query?org=${org}`, question.raw, { authorization: `Token ${token}` });
    }
    const text = await this.#post(`${this.#backend.url}/v1/query`, question.api, {});
    if (text.includes('"errorCode"')) throw new Error(`/v1/query answered ${text.slice(0, 500)}`);
    return text;
  }

  /** Each question once, by so many clients at a time. @returns latencies in ms, from sending to the last byte of the answer */
  time(way: Way, questions: readonly Prepared[], clients: number): Promise<number[]> {
    return timeJobs(
      questions.map((question) => () => this.ask(way, question)),
      clients,
    );
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  async #post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const answer = await request(url, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${url} answered ${answer.statusCode}: ${text.slice(0, 500)}`);
    return text;
  }
}
