import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a client of HTTP/2 begins with (RFC 9113 §3.4). SubscribeToShard is what Kinesis serves by it. */
const HTTP2_PREFACE = 'PRI * HTTP/2';
/** What is smaller may be a frame of HTTP/2's own, or an event that says only that there is nothing new. */
const EVENT_BYTES = 2_000;

type Fault =
  /** The connection breaks within the next event, for the client: the server hears nothing of it. */
  | 'cut'
  /** Nothing arrives any more, on either side. */
  | 'silence';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  fault: Fault | undefined;
  /** Whether the client is past hearing from the server. */
  lost: boolean;
}

/**
 * A network between a client and a real server that loses connections of HTTP/2 for the client only: the server goes on as if somebody listened.
 * Other connections pass unchanged.
 */
export class FaultyTcpProxy {
  readonly #target: URL;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #others = new Set<Socket>();

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: string): Promise<FaultyTcpProxy> {
    const proxy = new FaultyTcpProxy(new URL(target));
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections of HTTP/2 that client and server both have. */
  get whole(): number {
    return [...this.#links].filter(({ lost }) => !lost).length;
  }

  /** Connections of HTTP/2 that only the server still has. */
  get kept(): number {
    return [...this.#links].filter(({ lost }) => lost).length;
  }

  /** From now on, for the connections of HTTP/2 that there are. */
  inject(fault: Fault): void {
    for (const link of this.#links) {
      link.fault = fault;
      if (fault === 'silence') link.lost = true;
    }
  }

  /** The server learns which connections are lost. */
  release(): void {
    for (const { server, lost } of this.#links) if (lost) server.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#others) socket.destroy();
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
    await closed;
  }

  #accept(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    for (const socket of [client, server]) {
      this.#others.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#others.delete(socket));
    }
    server.once('close', () => client.destroy());
    client.once('data', (first: Buffer) => {
      server.write(first);
      if (first.toString('latin1', 0, HTTP2_PREFACE.length) === HTTP2_PREFACE) this.#watch({ client, server });
      else {
        client.pipe(server).pipe(client);
        client.once('close', () => server.destroy());
      }
    });
  }

  #watch({ client, server }: Pick<Link, 'client' | 'server'>): void {
    const link: Link = { client, server, fault: undefined, lost: false };
    this.#links.add(link);
    server.once('close', () => this.#links.delete(link));
    client.once('close', () => {
      if (!link.lost) server.destroy();
    });
    client.on('data', (bytes: Buffer) => {
      // Not even that the client gives up.
      if (!link.lost) server.write(bytes);
    });
    server.on('data', (bytes: Buffer) => {
      if (link.lost) return;
      if (link.fault === 'cut' && bytes.length >= EVENT_BYTES) {
        link.lost = true;
        client.write(bytes.subarray(0, bytes.length >> 1), () => client.resetAndDestroy());
      } else client.write(bytes);
    });
  }
}
