import { fastify } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Logger } from 'pino';
import { closeConnectionsOnStop } from './connections.ts';
import { answer, httpError, type HttpError } from './errors.ts';
import type { HttpLimits } from './limits.ts';
import type { App } from './v1.ts';

/** A fastify instance with our limits and our one form of error, without routes. */
export function createApp(options: { readonly limits: HttpLimits; readonly logger: Logger }): App {
  const { limits, logger } = options;
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMs,
    // Members that nobody asked for are left out, these too.
    onProtoPoisoning: 'remove',
    onConstructorPoisoning: 'remove',
    keepAliveTimeout: limits.keepAliveMs,
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.requestMs,
      // Node looks for requests that are late every 30 s unless told otherwise.
      connectionsCheckingInterval: Math.min(1_000, limits.requestMs),
    },
    // A request on a kept connection while we stop is answered like any other, and told to close.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: limits.pathIdLength, ignoreTrailingSlash: true },
    // Errors of the HTTP parser come before any request exists: they get the same form of body by hand.
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || socket.destroyed) return;
      if (!socket.writable) {
        socket.destroy();
        return;
      }
      const { status, text } = parserFailure(error.code, limits);
      const body = JSON.stringify({ error: { code: 'bad_request', message: text } });
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    },
    // Before routing there is no reply of ours to send with.
    frameworkErrors: (error, _request, reply) => {
      const { status, headers, body } = httpError(error, limits.bodyBytes);
      reply.hijack();
      reply.raw.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
      reply.raw.end(JSON.stringify(body));
    },
  }).withTypeProvider<ZodTypeProvider>();

  // Fastify reads plain text too, which would make "not JSON" a question of what stands in it.
  app.removeContentTypeParser('text/plain');
  app.server.maxConnections = limits.connections;
  closeConnectionsOnStop(app);
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    done();
  });
  // From here the client has to read. Node resets the time on each byte that leaves, and sets the keep-alive time after the last.
  app.addHook('onSend', (request, _reply, payload, done) => {
    // Injected requests have no socket.
    if (request.raw.socket instanceof Socket) request.raw.socket.setTimeout(limits.answerPatienceMs);
    done(null, payload);
  });
  app.setValidatorCompiler(validatorCompiler);
  // Answers are made here and typed by TypeScript; validating a million numbers again would only cost time.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));

  // Which methods each address knows, to tell a wrong method from a wrong address.
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', (route) => {
    const known = methods.get(route.url) ?? new Set();
    for (const method of [route.method].flat()) known.add(method);
    methods.set(route.url, known);
  });

  app.setErrorHandler((error, request, reply) => {
    const failure = httpError(error, limits.bodyBytes);
    if (failure.unexpected) {
      logger.error(
        { err: error, method: request.method, route: request.routeOptions.url },
        'a request failed unexpectedly',
      );
    } else if (failure.status >= 500) {
      logger.warn({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    }
    send(reply, failure);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const allowed = [...methods].find(([url]) => pathMatches(url, path))?.[1];
    if (allowed !== undefined && !allowed.has(request.method)) {
      const list = [...allowed].join(', ');
      reply.header('allow', list);
      send(reply, answer('method_not_allowed', `${path} is to be asked with ${list}, not with ${request.method}.`));
      return;
    }
    send(
      reply,
      answer('not_found', `There is nothing at ${path.slice(0, 200)}. /v1/openapi.json lists what there is.`),
    );
  });
  return app;
}

/** What `send` needs of a reply, whatever its route's types are. */
interface ErrorReply {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  hasHeader(name: string): boolean;
  send(body: string): unknown;
}

function send(reply: ErrorReply, failure: HttpError): void {
  reply.code(failure.status);
  for (const [name, value] of Object.entries(failure.headers)) if (!reply.hasHeader(name)) reply.header(name, value);
  reply.header('content-type', 'application/json; charset=utf-8');
  reply.send(JSON.stringify(failure.body));
}

/** `/a/:b` against `/a/x`. */
function pathMatches(url: string, path: string): boolean {
  const wanted = url.split('/');
  const given = path.replace(/\/$/, '').split('/');
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith(':') || part === given[i]);
}

/** What Node's HTTP parser refused: https://nodejs.org/api/http.html#event-clienterror */
function parserFailure(
  code: string | undefined,
  limits: HttpLimits,
): { readonly status: number; readonly text: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        text: `Address and headers together are larger than ${limits.headerBytes / 1024} KiB. Ask for fewer ids at once, or use POST /v1/query.`,
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, text: `The request did not arrive whole within ${limits.requestMs / 1000} s.` };
    default:
      return { status: 400, text: 'This is not a well-formed HTTP/1.1 request.' };
  }
}
