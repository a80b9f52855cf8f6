import type { Page } from '@playwright/test';
import { expect, SOURCE, test } from './fixtures.ts';

/** The generator of dev/local.ts sends on while the specs run. */
const everyone = {
  refId: 'A',
  datasource: { type: SOURCE.type, uid: SOURCE.uid },
  version: 1,
  preset: 'everyone',
  ids: [],
  types: [],
  every: '10s',
  calc: 'count',
  groupBy: [],
};

const inExplore = (queries: readonly object[]) => ({
  queryParams: new URLSearchParams({
    schemaVersion: '1',
    orgId: '1',
    panes: JSON.stringify({ one: { datasource: SOURCE.uid, queries, range: { from: 'now-5m', to: 'now' } } }),
  }),
});

/** Frames of Grafana's web socket that carry windows of a live channel of ours, from now on. */
function liveFrames(page: Page): string[] {
  const frames: string[] = [];
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      const text = payload.toString();
      if (text.includes(`ds/${SOURCE.uid}/live/`) && text.includes('"values"')) frames.push(text);
    }),
  );
  return frames;
}

test('Live in Explore streams windows', async ({ explorePage, page }) => {
  const frames = liveFrames(page);
  await explorePage.goto(inExplore([everyone]));
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
  expect(frames).toEqual([]);
  await page
    .getByRole('button', { name: 'Start live stream' })
    .or(page.getByRole('button', { name: 'Live', exact: true }))
    .first()
    .click();
  await expect.poll(() => frames.length).toBeGreaterThan(3);
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
});

test('a rate ends where whole windows end, so that nothing falls at the edges', async ({ request }) => {
  const to = Date.now();
  const answer = await request.post('/api/ds/query', {
    data: {
      from: String(to - 299_500),
      to: String(to),
      queries: [
        { ...everyone, refId: 'rate', calc: 'rate' },
        { ...everyone, refId: 'marked', incomplete: 'mark' },
      ],
    },
  });
  interface Answer {
    results: Record<string, { frames: { schema: { meta: { custom: object } }; data: { values: number[][] } }[] }>;
  }
  const { results } = (await answer.json()) as Answer;
  const of = (refId: string) => {
    const { schema, data } = results[refId]?.frames[0] ?? { schema: { meta: { custom: {} } }, data: { values: [[]] } };
    const times = data.values[0] ?? [];
    return { custom: schema.meta.custom, first: times[0] ?? NaN, last: (times.at(-1) ?? NaN) + 10_000 };
  };
  expect(of('rate').first).toBeGreaterThanOrEqual(to - 299_500);
  expect(of('rate').last).toBeLessThanOrEqual(to);
  expect(of('marked').first).toBeLessThan(to - 299_500);
  expect(of('marked').last).toBeGreaterThan(to);
  expect(of('marked').custom).toMatchObject({ partial: { first: true, last: true } });
});

// Where the backend runs on another machine, or in a container, it cannot be suspended from here.
const pid = Number(process.env['USERPULSE_PID']);
if (pid > 0) {
  test('a live panel says that the backend is away, and forgets it when it is back', async ({
    gotoDashboardPage,
    page,
  }) => {
    const frames = liveFrames(page);
    const dashboard = await gotoDashboardPage({ uid: 'userpulse-overview', timeRange: { from: 'now-5m', to: 'now' } });
    const panel = dashboard.getPanelByTitle('Interactions by type').locator;
    await expect(panel).toBeVisible();
    await expect.poll(() => frames.length).toBeGreaterThan(0);
    const notice = panel.getByTestId('icon-exclamation-triangle');
    await expect(notice).toBeHidden();
    process.kill(pid, 'SIGSTOP');
    try {
      await expect(notice).toBeVisible();
      await notice.hover();
      await expect(page.getByText(/Live updates are interrupted/).first()).toBeVisible();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await expect(notice).toBeHidden();
    const before = frames.length;
    await expect.poll(() => frames.length).toBeGreaterThan(before);
  });
}
