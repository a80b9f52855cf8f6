import type { Socket } from 'node:net';
import type { App } from './v1.ts';

/**
 * Lets a stop wait for requests, and for nothing else. Node closes connections that have served a request and are idle, but waits out
 * the keep-alive time of those that never sent one (load balancers and browsers open such in advance).
 */
export function closeConnectionsOnStop(app: App): void {
  /** Requests that run, by connection. */
  const running = new Map<Socket, number>();
  let closing = false;
  app.server.on('connection', (socket: Socket) => {
    if (closing) {
      socket.destroy();
      return;
    }
    running.set(socket, 0);
    socket.once('close', () => running.delete(socket));
  });
  app.server.on('request', ({ socket }, response) => {
    running.set(socket, (running.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (running.get(socket) ?? 1) - 1;
      if (!running.has(socket)) return;
      running.set(socket, left);
      if (closing && left === 0) socket.end();
    });
  });
  app.addHook('preClose', (done) => {
    closing = true;
    for (const [socket, requests] of running) if (requests === 0) socket.destroy();
    done();
  });
}
