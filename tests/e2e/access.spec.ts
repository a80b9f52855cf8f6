import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request as requests } from '@playwright/test';
import { expect, shown, SOURCE, test, week } from './fixtures.ts';
import { sum } from './sample.ts';

test('viewers may ask questions, and do not see where the data lies', async ({ request, baseURL }) => {
  const viewer = { login: `viewer-${Date.now()}`, password: 'only-for-this-spec' };
  const made = await request.post('/api/admin/users', { data: { ...viewer, name: 'Viewer' } });
  expect(made.ok()).toBe(true);
  const asViewer = await requests.newContext({
    ...(baseURL !== undefined && { baseURL }),
    httpCredentials: { username: viewer.login, password: viewer.password, send: 'always' },
    storageState: { cookies: [], origins: [] },
  });
  const resources = `/api/datasources/uid/${SOURCE.uid}/resources`;
  const types = await asViewer.get(`${resources}/types?from=${week.from}&to=${week.to}`);
  expect(await types.json()).toMatchObject({ types: expect.arrayContaining(['retweet']) });
  const health = await asViewer.get(`${resources}/health`);
  expect(health.status()).toBe(403);
  expect(await health.text()).not.toMatch(/http:|InfluxDB|interactions_/);
  // Whoever may edit sees it.
  expect(await (await request.get(`${resources}/health`)).text()).toContain('influx');
  await asViewer.dispose();
});

test('the public overview shows its numbers to people without an account', async ({
  request,
  browser,
  baseURL,
  counted,
}) => {
  const at = '/api/dashboards/uid/userpulse-public/public-dashboards';
  const settings = { isEnabled: true, timeSelectionEnabled: true, annotationsEnabled: false, share: 'public' };
  const shared = await request.post(at, { data: settings });
  const { uid, accessToken } = (await shared.json()) as { uid: string; accessToken: string };
  try {
    const context = await browser.newContext({
      ...(baseURL !== undefined && { baseURL }),
      storageState: { cookies: [], origins: [] },
      viewport: { width: 1600, height: 2400 },
    });
    const page = await context.newPage();
    await page.goto(`/public-dashboards/${accessToken}?from=${week.from}&to=${week.to}`);
    for (const count of counted.total.values()) await expect(page.getByText(shown(count)).first()).toBeVisible();
    const leader = counted.top[0];
    await expect(page.getByText(leader?.id ?? '', { exact: true }).first()).toBeVisible();
    expect(sum(counted.total)).toBe(counted.events);
    await expect(page.getByTestId('data-testid Panel status error')).toHaveCount(0);
    await context.close();
  } finally {
    await request.delete(`${at}/${uid}`);
  }
});

test('the plugin’s page has its text and its pictures', async ({ page, request }) => {
  const readme = await request.get(`/api/plugins/${SOURCE.type}/markdown/README`);
  expect(await readme.text()).toContain('# Userpulse');
  await page.goto(`/plugins/${SOURCE.type}`);
  await expect(page.getByRole('heading', { name: 'Userpulse' }).first()).toBeVisible();
});

// The stand-in listens on this machine's loopback: a Grafana elsewhere does not reach it.
if (process.env['USERPULSE_PID'] !== undefined) {
  test('calls carry the user’s login where the data source is set to send it', async ({ request }) => {
    const users: (string | undefined)[] = [];
    const fakeBackend = createServer(({ headers }, response) => {
      users.push(headers['x-grafana-user']?.toString());
      response.setHeader('content-type', 'application/json').end('{"types":[]}');
    });
    await new Promise<void>((done) => fakeBackend.listen(0, '127.0.0.1', done));
    const { port } = fakeBackend.address() as AddressInfo;
    for (const sendUser of [true, false]) {
      const made = await request.post('/api/datasources', {
        data: {
          name: `Sends users: ${String(sendUser)}, ${Date.now()}`,
          type: SOURCE.type,
          access: 'proxy',
          url: `http://127.0.0.1:${port}`,
          jsonData: { sendUser },
        },
      });
      const { datasource } = (await made.json()) as { datasource: { uid: string } };
      expect((await request.get(`/api/datasources/uid/${datasource.uid}/resources/types`)).ok()).toBe(true);
      await request.delete(`/api/datasources/uid/${datasource.uid}`);
    }
    expect(users).toEqual(['admin', undefined]);
    fakeBackend.close();
  });
}
