import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { selectors } from '../src/selectors.ts';
import { hourly, startWorld, textUser, WEEK } from '../tests/support/host-world.ts';
import { launch, openPage, picture, type Watched } from './browser.ts';
import { startPluginHost, type PluginHost } from './serve.ts';

/* The plugin where ids are text with all that means something to Grafana's variables, addresses and Flux. */

let browser: Browser;
let host: PluginHost;
let watched: Watched;
const ending: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const world = await startWorld({ text: true });
  ending.push(world.stop);
  browser = await launch();
  ending.push(() => browser.close());
  host = await startPluginHost({ generation: '19', backendUrl: world.backendUrl, token: '', gatewayLog: '/dev/null' });
  ending.push(() => host.stop());
});
afterAll(async () => {
  for (const end of ending.reverse()) await end();
});
afterEach(async () => {
  await watched.page.context().close();
});

const week = `from=${WEEK.from}&to=${WEEK.to}`;
const ME = textUser('88');

interface Answer {
  readonly results: Record<string, { frames?: { data: { values: (number | null)[][] } }[]; error?: string }>;
}

it('draws a user of such an id by the hour, exactly, and takes it from a variable of the address', async () => {
  watched = await openPage(browser, []);
  const { page } = watched;
  const query = { version: 1, preset: 'received', ids: [ME], types: [], every: '1h', calc: 'count', timezone: 'UTC' };
  const arrived = page.waitForResponse((response) => response.url().includes('/api/ds/query'));
  await page.goto(`${host.url}/editor?query=${encodeURIComponent(JSON.stringify(query))}&viz=timeseries&${week}`);
  const { results } = (await (await arrived).json()) as Answer;
  const [frame] = results['A']?.frames ?? [];
  for (const [at, type] of ['mention', 'reply', 'retweet'].entries())
    expect(frame?.data.values[at + 1]).toEqual(hourly('88', type));
  await page.getByText(`${ME} retweet`).first().waitFor();
  expect(await page.getByTestId(selectors.queryEditor.idChip).textContent()).toContain(ME);
  expect(await page.getByText('not a valid user ID').count()).toBe(0);
  await picture(page, 'text-ids-editor');

  await page.goto(`${host.url}/d/received?${week}&var-user=${encodeURIComponent(ME)}`);
  await page.getByText(`${ME} retweet`).first().waitFor();
  await page.waitForLoadState('networkidle').catch(() => undefined);
  await picture(page, 'text-ids-dashboard');
  expect(await page.getByTestId('data-testid Panel status error').count()).toBe(0);
  expect(watched.problems).toEqual([]);
});

it('says what is wrong with an id by the format that the backend has', async () => {
  watched = await openPage(browser, [/HTTP 400 \/api\/ds\/query/]);
  const { page } = watched;
  const query = { version: 1, preset: 'received', ids: ['a"b'], types: [], every: 'auto', calc: 'count' };
  await page.goto(`${host.url}/editor?query=${encodeURIComponent(JSON.stringify(query))}&viz=timeseries&${week}`);
  await page.getByText('User IDs have 1 to 128 characters of').first().waitFor();
  expect(watched.problems).toEqual([]);
});
