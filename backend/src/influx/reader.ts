import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { HttpError, InfluxDB } from '@influxdata/influxdb-client';
import { networkReason } from '../network.ts';
import { influxMessage, type InfluxTarget } from './api.ts';
import { UserpulseError } from '../errors.ts';
import type { Flux } from '../flux/literals.ts';
import { withoutToken } from '../secrets.ts';
import { CsvReader, type RowHandler } from './csv.ts';

/** A thin port: runs Flux and hands over rows, or the raw bytes where there are very many. */
export interface InfluxReader {
  /**
   * Runs a script. For every table of the answer `onTable` gets its column names and returns what takes its rows. Resolves when all
   * rows have been handed over.
   * @throws UserpulseError influx_unreachable, influx_unauthorized, influx_not_found, influx_unavailable, query_failed, query_timeout, aborted
   */
  rows(script: Flux, onTable: (columns: readonly string[]) => RowHandler, signal?: AbortSignal): Promise<void>;
  /**
   * As {@link rows}, but hands over the bytes of the CSV as they come. A chunk is valid during the call only.
   * @param spentMs of its time that the question has had already
   */
  bytes(script: Flux, onChunk: (chunk: Uint8Array) => void, signal?: AbortSignal, spentMs?: number): Promise<void>;
}

export interface InfluxReaderOptions extends InfluxTarget {
  /** Longest time a query may take, in ms, from sending it to the last byte of its answer. */
  readonly timeoutMs: number;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/;

/** Connections of queries, and how long one may lie idle in ms: less than the 3 minutes after which influxd closes it. */
const CONNECTIONS = { keepAlive: true, maxSockets: 32, timeout: 60_000 };

/**
 * Queries by InfluxDB's own client, which keeps its connections open until {@link HttpInfluxReader.close}. Answers are taken from its transport as
 * bytes: its QueryApi makes a string of every line, which costs three times the CPU for a thousand windows (docs/adr/0007-dependencies.md).
 */
export class HttpInfluxReader implements InfluxReader {
  readonly #options: InfluxReaderOptions;
  readonly #agent: HttpAgent;
  readonly #client: InfluxDB;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(options: InfluxReaderOptions) {
    this.#options = options;
    const { protocol, hostname } = new URL(options.host);
    this.#agent = protocol === 'https:' ? new HttpsAgent(CONNECTIONS) : new HttpAgent(CONNECTIONS);
    this.#client = new InfluxDB({
      url: options.host,
      // The deadline of a query is ours: one signal for all its phases. The client's own must not come before it.
      timeout: options.timeoutMs + 60_000,
      transportOptions: { agent: this.#agent },
    });
    this.#path = `/api/v2/query?${new URLSearchParams({ org: options.org }).toString()}`;
    this.#headers = {
      'content-type': 'application/json',
      accept: 'application/csv',
      // Zipping costs more time than it saves where no network lies between.
      'accept-encoding': LOOPBACK.test(hostname) ? 'identity' : 'gzip',
    };
  }

  /** Ends all connections: queries that still run fail. */
  close(): Promise<void> {
    this.#agent.destroy();
    return Promise.resolve();
  }

  async rows(script: Flux, onTable: (columns: readonly string[]) => RowHandler, signal?: AbortSignal): Promise<void> {
    const reader = new CsvReader(onTable);
    const decoder = new TextDecoder();
    await this.bytes(script, (chunk) => reader.push(decoder.decode(chunk, { stream: true })), signal);
    reader.push(decoder.decode());
    reader.end();
  }

  async bytes(script: Flux, onChunk: (chunk: Uint8Array) => void, signal?: AbortSignal, spentMs = 0): Promise<void> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), Math.max(0, this.#options.timeoutMs - spentMs));
    const stop = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
    const token = this.#options.token.current();
    try {
      const body = JSON.stringify({ query: script.text, type: 'flux', dialect: { header: true, annotations: [] } });
      let bytes = 0;
      for await (const chunk of this.#client.transport.iterate(this.#path, body, {
        method: 'POST',
        headers: { ...this.#headers, authorization: `Token ${token}` },
        signal: stop,
      })) {
        bytes += chunk.length;
        onChunk(chunk);
      }
      // InfluxDB ends even an answer without rows with an empty line; the client does not tell a 204 of something else from a 200.
      if (bytes === 0)
        throw new UserpulseError('query_failed', `The answer of InfluxDB at ${this.#options.host} is empty.`);
    } catch (error) {
      if (error instanceof UserpulseError) throw error;
      if (error instanceof HttpError) throw this.#refusal(error.statusCode, withoutToken(error.body ?? '', token));
      if (signal?.aborted === true)
        throw new UserpulseError('aborted', 'The query was given up by its caller.', { cause: error });
      if (deadline.signal.aborted)
        throw new UserpulseError(
          'query_timeout',
          `InfluxDB did not answer within ${this.#options.timeoutMs / 1000} s.`,
          {
            hint: 'Ask for a shorter range or a longer every, or raise USERPULSE_QUERY_TIMEOUT_MS.',
            cause: error,
          },
        );
      throw new UserpulseError(
        'influx_unreachable',
        `InfluxDB at ${this.#options.host} does not answer: ${networkReason(error)}.`,
        {
          hint: 'Check INFLUX_HOST and that InfluxDB runs.',
          cause: error,
        },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #refusal(status: number, text: string): UserpulseError {
    const { host, org, token } = this.#options;
    const reason = influxMessage(text);
    if (status === 401) token.refused();
    if (status === 401)
      return new UserpulseError('influx_unauthorized', `InfluxDB at ${host} refuses the token: ${reason}.`, {
        hint: `Check INFLUX_ORG, and the token in ${token.where}, which needs read permission on the four buckets. ${token.renewal}`,
      });
    // Without permission to a bucket InfluxDB says that it cannot be found.
    if (status === 404 || /could not find bucket|(bucket|organization) .*not found/i.test(reason))
      return new UserpulseError(
        'influx_not_found',
        `InfluxDB at ${host} has no such organisation or bucket for this token (${org}): ${reason}.`,
        {
          hint: 'Run "userpulse setup", check INFLUX_ORG and the USERPULSE_BUCKET_ settings, and that the token may read the buckets.',
        },
      );
    if (status === 403)
      return new UserpulseError(
        'influx_unauthorized',
        `The token may not read this from InfluxDB at ${host}: ${reason}.`,
        {
          hint: 'Use the read token that "userpulse setup" printed.',
        },
      );
    if (status === 429 || status === 503)
      return new UserpulseError('influx_unavailable', `InfluxDB at ${host} is too busy (HTTP ${status}): ${reason}.`, {
        hint: 'Try again, or ask for less at a time.',
      });
    return new UserpulseError('query_failed', `InfluxDB could not run the query (HTTP ${status}): ${reason}`);
  }
}
