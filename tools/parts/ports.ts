import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/**
 * Asks the system for free loopback ports, all different. Another process may take one before its user does: whoever starts a
 * server on it tries again with new ports when the server cannot bind.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, hold));
  await Promise.all(held.map((h) => h.release()));
  return held.map((h) => h.port);
}

function hold(): Promise<{ port: number; release: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.unref();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('A TCP server without a port.'));
      else
        resolve({
          port: address.port,
          release: () => new Promise((done) => server.close(() => done())),
        });
    });
  });
}

/** A port, if nobody has it; else any free one. */
export async function freeOr(port: number): Promise<number> {
  const free = await new Promise<boolean>((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, LOOPBACK, () => probe.close(() => done(true)));
  });
  return free ? port : ((await freePorts(1))[0] ?? port);
}
