import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch } from '../../host/browser.ts';
import { UserpulseServer } from '../support/cli.ts';
import { createBuckets, eventually, influxWrite, temporaryFolder, type TestBuckets } from '../support/parts.ts';

/** The code of docs/browser.md, from the page itself. */
async function example(language: 'js' | 'html'): Promise<string> {
  const page = await readFile(fileURLToPath(new URL('../../docs/browser.md', import.meta.url)), 'utf8');
  const code = new RegExp(`^ *\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, 'm').exec(page)?.[1];
  if (code === undefined) throw new Error(`docs/browser.md has no ${language}.`);
  return code;
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error()),
      );
    });
  });

let browser: Browser;
beforeAll(async () => (browser = await launch()));
afterAll(() => browser.close());

/** The example's own server. */
async function app(userpulse: string, token: string, port: number) {
  const folder = await temporaryFolder('browser');
  await writeFile(join(folder, 'server.mjs'), await example('js'));
  await writeFile(join(folder, 'page.html'), await example('html'));
  const child = spawn(process.execPath, ['server.mjs'], {
    cwd: folder,
    env: { ...process.env, USERPULSE_URL: userpulse, USERPULSE_API_TOKEN: token, PORT: String(port) },
    stdio: 'inherit',
  });
  const url = `http://127.0.0.1:${port}/`;
  await eventually(() =>
    fetch(url).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
  return { url, end: () => child.kill() };
}

let serial = 0;
const interact = (buckets: TestBuckets, times: number): Promise<void> =>
  influxWrite(
    buckets.received,
    Array.from(
      { length: times },
      () => `interaction,prefix=88,type=like user=88i ${Date.now()}${String(serial++).padStart(6, '0')}`,
    ),
  );

describe('docs/browser.md', () => {
  it('shows live numbers in a browser, goes on after the connection was lost, and only for the origin that is allowed', async () => {
    const buckets = await createBuckets('browser');
    const [own, other, port] = [await freePort(), await freePort(), await freePort()];
    const env = {
      ...buckets.env,
      USERPULSE_LISTEN: `127.0.0.1:${port}`,
      USERPULSE_CORS_ORIGINS: `http://127.0.0.1:${own}`,
    };
    let serve = await UserpulseServer.start('serve', env);
    const allowed = await app(serve.url, serve.token, own);
    const stranger = await app(serve.url, serve.token, other);
    try {
      const page = await browser.newPage();
      await page.goto(allowed.url);
      const total = page.locator('#total');
      await interact(buckets, 3);
      await eventually(async () => (await total.textContent()) === '3');

      // The same page from an origin that is not allowed: its ticket is good, and the browser keeps the stream from it.
      const refused = await browser.newPage();
      const errors: string[] = [];
      refused.on('console', (message) => errors.push(message.text()));
      await refused.goto(stranger.url);
      await eventually(() => errors.some((text) => /blocked by CORS policy/.test(text)));
      expect(await refused.locator('#total').textContent()).toBe('–');

      await serve.stop();
      await interact(buckets, 4);
      serve = await UserpulseServer.start('serve', env);
      await interact(buckets, 5);
      await eventually(async () => (await total.textContent()) === '12');
    } finally {
      allowed.end();
      stranger.end();
      await serve.stop();
    }
  });
});
