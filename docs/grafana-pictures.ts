import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { launch } from '../host/browser.ts';

/**
 * Takes those pictures of the README that show a real Grafana: `npx tsx docs/grafana-pictures.ts --url http://127.0.0.1:3000`, of a Grafana that
 * `npm run e2e -- --hold` has started with the Higgs file (USERPULSE_SAMPLE). screenshots.ts takes the others.
 */
const MAX_BYTES = 170_000;
/** The days of the file around its peak, UTC. */
const DAYS = { from: Date.UTC(2012, 6, 3), to: Date.UTC(2012, 6, 7) };

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:3000' },
    out: { type: 'string', default: fileURLToPath(new URL('img', import.meta.url)) },
  },
});

const panes = JSON.stringify({
  one: {
    datasource: 'userpulse',
    queries: [
      {
        refId: 'A',
        datasource: { type: 'userpulse-interactions-datasource', uid: 'userpulse' },
        version: 1,
        preset: 'received',
        ids: ['88', '677'],
        types: [],
        every: '1h',
        calc: 'count',
        groupBy: ['id'],
      },
    ],
    range: { from: String(DAYS.from), to: String(DAYS.to) },
  },
});

const PAGES = {
  overview: { path: `/d/userpulse-overview?from=${DAYS.from}&to=${DAYS.to}&timezone=utc&refresh=`, height: 950 },
  explore: { path: `/explore?schemaVersion=1&orgId=1&panes=${encodeURIComponent(panes)}`, height: 900 },
} as const;

async function save(page: Page, name: string): Promise<void> {
  const path = join(options.out, `${name}.png`);
  await page.mouse.move(0, 0);
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw new Error(`${path} has ${size} bytes; a picture of the README may have ${MAX_BYTES}.`);
}

const browser = await launch();
try {
  const context = await browser.newContext({ baseURL: options.url, timezoneId: 'UTC', locale: 'en-GB' });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const signedIn = await page.request.post('/login', { data: { user: 'admin', password: 'admin' } });
  if (!signedIn.ok()) throw new Error(`${options.url} does not take admin, admin: HTTP ${signedIn.status()}.`);
  // The menu that Grafana docks on wide screens would take a sixth of each picture.
  await page.addInitScript(`localStorage.setItem('grafana.navigation.docked', 'false')`);
  for (const [name, { path, height }] of Object.entries(PAGES)) {
    await page.setViewportSize({ width: 1400, height });
    await page.goto(path);
    await page.locator('.uplot canvas').first().waitFor();
    await page.waitForFunction(`document.querySelector('[aria-label="Panel loading bar"]') === null`);
    // Grafana draws what it has got piece by piece, and tells nobody when it is done.
    await page.waitForTimeout(4_000);
    await save(page, name);
  }
} finally {
  await browser.close();
}
