import { cbor } from '@smithy/core/cbor';
import { Agent, createServer, request, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';

/** A request as rules see it. */
export interface SeenRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** Operation of an AWS JSON service, such as `GetRecords`; '' elsewhere. */
  readonly operation: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Body as text, unzipped. */
  text(): string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders | Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const isCbor = (type: string | undefined): boolean => type?.includes('cbor') === true;

/** The object that a body of JSON or CBOR holds. */
export const objectIn = (body: Buffer, type: string | undefined): Readonly<Record<string, unknown>> =>
  (isCbor(type) ? cbor.deserialize(body) : JSON.parse(body.toString())) as Record<string, unknown>;

/** What is done to a request instead of handing it on and its answer back. */
export type Action =
  /** Answered here; the server never sees it. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body: string;
    }
  /** Handed on after a while. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** The connection is cut: before the server sees anything; half-way through the request; after the server has done it and before it is
   * heard; half-way through the answer. */
  | { readonly kind: 'reset'; readonly when: 'before' | 'mid-request' | 'after' | 'mid-answer' }
  /** The server gets another body; `change` sees it unzipped. */
  | { readonly kind: 'replace-text'; readonly change: (text: string) => string }
  /** Answered here, from the request and in its format: JSON or CBOR. */
  | {
      readonly kind: 'answer-alike';
      readonly status: number;
      readonly body: (request: Readonly<Record<string, unknown>>) => object;
    }
  /** `run` decides what happens, and when; the connection stays silent until it is over, and is cut then. */
  | { readonly kind: 'hold'; readonly when: 'before' | 'half' | 'after'; readonly run: () => Promise<void> };

export interface Rule {
  /** Under this name it is counted. */
  readonly kind: string;
  readonly match: (seen: SeenRequest) => boolean;
  readonly action: Action;
  /** How often at most. */
  readonly times?: number;
  /** Chance per request; 1 where absent. */
  readonly chance?: number;
}

/**
 * A reverse proxy in front of one of the real servers, which does to it what networks and services do. Bodies are buffered (they are a few
 * MB at most); headers, Host included, go on unchanged, because S3 signs them.
 */
export class FaultyProxy {
  /** How often each kind was injected. */
  readonly injected = new Map<string, number>();
  /** Told of each request that comes in whole. */
  onRequest: (seen: SeenRequest) => void = () => undefined;
  /** Told of each answer that goes to the client. */
  onAnswer: (seen: SeenRequest, answer: Answer) => void = () => undefined;
  readonly #upstream: URL;
  readonly #random: () => number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #rules = new Set<{ readonly rule: Rule; left: number }>();
  #server: Server;
  #port = 0;

  private constructor(upstream: URL, random: () => number) {
    this.#upstream = upstream;
    this.#random = random;
    this.#server = this.#createServer();
  }

  static async start(upstream: string, random: () => number = Math.random): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(new URL(upstream), random);
    await proxy.up();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** @returns the way to take it back */
  add(rule: Rule): () => void {
    const entry = { rule, left: rule.times ?? Infinity };
    this.#rules.add(entry);
    return () => this.#rules.delete(entry);
  }

  /** Connections are cut and new ones refused, until {@link up}. */
  async down(kind: string): Promise<void> {
    this.count(kind);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async up(): Promise<void> {
    if (this.#server.listening) return;
    this.#server = this.#createServer();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('A TCP server without a port.');
    this.#port = address.port;
  }

  async close(): Promise<void> {
    this.#rules.clear();
    this.#agent.destroy();
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  count(kind: string): void {
    this.injected.set(kind, (this.injected.get(kind) ?? 0) + 1);
  }

  #createServer(): Server {
    const server = createServer((incoming, response) => {
      // Whatever goes wrong here is one more broken connection to the client.
      this.#serve(incoming, response).catch(() => response.destroy());
    });
    server.keepAliveTimeout = 60_000;
    return server;
  }

  #ruleFor(seen: SeenRequest): Rule | undefined {
    for (const entry of this.#rules) {
      if (entry.left <= 0 || !entry.rule.match(seen) || this.#random() >= (entry.rule.chance ?? 1)) continue;
      entry.left--;
      this.count(entry.rule.kind);
      return entry.rule;
    }
    return undefined;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const target = incoming.headers['x-amz-target'];
    const seen: SeenRequest = {
      method: incoming.method ?? 'GET',
      path: incoming.url ?? '/',
      operation: typeof target === 'string' ? (target.split('.').at(-1) ?? '') : '',
      headers: incoming.headers,
      body,
      text: () => (incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString(),
    };
    this.onRequest(seen);
    const forward = (other: Buffer = body, half = false): Promise<Answer> => this.#forward(incoming, other, half);
    const reply = (answer: Answer): void => {
      this.onAnswer(seen, answer);
      response.writeHead(answer.status, { ...plainHeaders(answer.headers), 'content-length': answer.body.length });
      response.end(answer.body);
    };
    const action = this.#ruleFor(seen)?.action;
    switch (action?.kind) {
      case undefined:
        if (seen.method === 'HEAD') {
          const answer = await forward();
          response.writeHead(answer.status, plainHeaders(answer.headers)).end();
        } else reply(await forward());
        return;
      case 'answer':
        reply({ status: action.status, headers: action.headers ?? {}, body: Buffer.from(action.body) });
        return;
      case 'delay':
        await sleep(action.ms);
        reply(await forward());
        return;
      case 'replace-text': {
        const changed = Buffer.from(action.change(seen.text()));
        reply(await forward(incoming.headers['content-encoding'] === 'gzip' ? gzipSync(changed) : changed));
        return;
      }
      case 'answer-alike': {
        const type = incoming.headers['content-type'] ?? 'application/json';
        const answered = action.body(objectIn(body, type));
        reply({
          status: action.status,
          headers: { 'content-type': type },
          body: Buffer.from(isCbor(type) ? cbor.serialize(answered) : JSON.stringify(answered)),
        });
        return;
      }
      case 'reset':
        await this.#reset(action.when, forward, response);
        return;
      case 'hold':
        if (action.when === 'after') await forward();
        if (action.when === 'half') await forward(body, true).catch(() => undefined);
        await action.run();
        response.destroy();
        return;
      default:
        return action satisfies never;
    }
  }

  async #reset(
    when: Extract<Action, { kind: 'reset' }>['when'],
    forward: (body?: Buffer, half?: boolean) => Promise<Answer>,
    response: ServerResponse,
  ): Promise<void> {
    if (when === 'mid-request') await forward(undefined, true).catch(() => undefined);
    if (when === 'after') await forward();
    if (when === 'mid-answer') {
      const { status, headers, body } = await forward();
      // Longer than what comes, also where the answer has no body at all.
      response.writeHead(status, { ...plainHeaders(headers), 'content-length': body.length + 2 });
      response.write(body.subarray(0, body.length >> 1));
      await sleep(5);
    }
    const { socket } = response;
    if (socket !== null && 'resetAndDestroy' in socket) socket.resetAndDestroy();
    else response.destroy();
  }

  /** @param half cuts the connection to the server half-way through the body, and throws */
  #forward(incoming: IncomingMessage, body: Buffer, half: boolean): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers: IncomingHttpHeaders = { ...incoming.headers };
      // Between client and proxy only: the body is here already.
      delete headers.expect;
      delete headers.connection;
      if (body.length > 0) {
        delete headers['transfer-encoding'];
        headers['content-length'] = String(body.length);
      }
      const outgoing = request(
        {
          host: this.#upstream.hostname,
          port: this.#upstream.port,
          method: incoming.method,
          path: incoming.url,
          headers,
          ...(half ? {} : { agent: this.#agent }),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.once('error', reject);
          answer.once('end', () =>
            resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: Buffer.concat(chunks) }),
          );
        },
      );
      outgoing.once('error', reject);
      if (half) outgoing.write(body.subarray(0, body.length >> 1), () => outgoing.destroy(new Error('Cut half-way.')));
      else outgoing.end(body);
    });
  }
}

function plainHeaders(headers: Answer['headers']): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || ['connection', 'keep-alive', 'transfer-encoding'].includes(name)) continue;
    out[name] = value;
  }
  return out;
}
