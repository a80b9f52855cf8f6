import type { DashboardPage } from '@grafana/plugin-e2e';
import type { Locator } from '@playwright/test';
import { answerTo, expect, shown, SOURCE, summed, test, week } from './fixtures.ts';
import { sum, USER, type Counts } from './sample.ts';

/** Each dashboard must show the numbers of the sample: a page without panels, or with HTTP 500, has no errors in its panels either. */
const panel = (dashboard: DashboardPage, title: string): Locator => dashboard.getPanelByTitle(title).locator;

async function hasCounts(root: Locator, counts: Counts, name = ''): Promise<void> {
  for (const [type, count] of counts) {
    await expect(root).toContainText(`${name}${type}`);
    await expect(root).toContainText(shown(count));
  }
}

test('overview: everyone by type, and the rankings', async ({ gotoDashboardPage, counted }) => {
  const dashboard = await gotoDashboardPage({ uid: 'userpulse-overview', timeRange: week });
  await hasCounts(panel(dashboard, 'Interactions in the range'), counted.total);
  const ranking = dashboard.getPanelByTitle('Top users by interactions received');
  await ranking.scrollIntoView();
  for (const { id, count } of counted.top.slice(0, 3)) {
    await expect(ranking.locator).toContainText(id);
    await expect(ranking.locator).toContainText(shown(count));
  }
  await expect(dashboard).toHavePanelErrors(0);
});

test('received: totals of a user by type, its series, the leading users', async ({
  gotoDashboardPage,
  counted,
  page,
}) => {
  const answered = answerTo(page, '"live":true');
  const dashboard = await gotoDashboardPage({
    uid: 'userpulse-received',
    timeRange: week,
    queryParams: new URLSearchParams({ 'var-user': USER }),
  });
  await hasCounts(panel(dashboard, 'In the time range'), counted.received, `${USER} `);
  expect(summed(await answered)).toBe(sum(counted.received));
  const leading = dashboard.getPanelByTitle('Top users');
  await leading.scrollIntoView();
  await expect(leading.locator).toContainText(shown(counted.top[0]?.count ?? 0));
  await expect(dashboard).toHavePanelErrors(0);
});

test('the other dashboards are a click away, each with the id that it is about', async ({
  gotoDashboardPage,
  page,
}) => {
  await gotoDashboardPage({
    uid: 'userpulse-received',
    timeRange: week,
    queryParams: new URLSearchParams({ 'var-user': USER }),
  });
  await page.getByRole('button', { name: 'Userpulse', exact: true }).click();
  const linked = async (name: string) =>
    new URL((await page.getByRole('menuitem', { name }).first().getAttribute('href')) ?? '', page.url());
  const made = await linked('Userpulse / Made by a user');
  expect(made.searchParams.get('var-user')).toBe(USER);
  expect(Date.parse(made.searchParams.get('from') ?? '')).toBe(Number(week.from));
  const share = await linked('Userpulse / Received by a share');
  expect(share.searchParams.get('var-share')).toBeNull();
  await page.getByRole('menuitem', { name: 'Userpulse / Made by a user' }).first().click();
  await expect(page.getByText('In the time range').first()).toBeVisible();
});

test('made: totals of the busiest user by type', async ({ gotoDashboardPage, counted }) => {
  const { actor, counts } = counted.made;
  const dashboard = await gotoDashboardPage({
    uid: 'userpulse-made',
    timeRange: week,
    queryParams: new URLSearchParams({ 'var-user': actor }),
  });
  await hasCounts(panel(dashboard, 'In the time range'), counts, `${actor} `);
  await expect(dashboard).toHavePanelErrors(0);
});

test('share: totals of the busiest share by type', async ({ gotoDashboardPage, counted }) => {
  const { id, counts } = counted.share;
  const dashboard = await gotoDashboardPage({
    uid: 'userpulse-share',
    timeRange: week,
    queryParams: new URLSearchParams({ 'var-share': id }),
  });
  const totals = panel(dashboard, 'In the time range');
  for (const count of counts.values()) await expect(totals).toContainText(shown(count));
  await expect(dashboard).toHavePanelErrors(0);
});

test('operations: every panel asks Prometheus, and is empty only where there is none', async ({
  gotoDashboardPage,
  request,
}) => {
  const health = await request.get('/api/datasources/uid/userpulse-prometheus/health');
  const dashboard = await gotoDashboardPage({
    uid: 'userpulse-operations',
    timeRange: { from: 'now-15m', to: 'now' },
  });
  const behind = panel(dashboard, 'Behind the stream');
  await expect(behind).toBeVisible();
  if (health.ok()) {
    await expect(behind).toContainText(/\d/);
    await expect(dashboard).toHavePanelErrors(0);
  } else {
    await expect(dashboard.getPanelByTitle('Behind the stream').getErrorIcon()).toBeVisible();
  }
});

/** Grafana takes rule models as they are: nothing in them is replaced, neither variables of the environment nor `$$`. */
test('the provisioned rules evaluate, and their texts hold no placeholder that Grafana leaves as it is', async ({
  request,
}) => {
  interface Rule {
    name: string;
    health: string;
    lastError?: string;
    lastEvaluation: string;
    annotations?: Record<string, string>;
    query: string;
  }
  const provisioned = async (): Promise<Rule[]> => {
    const answer = await request.get('/api/prometheus/grafana/api/v1/rules');
    const { data } = (await answer.json()) as { data: { groups: { name: string; rules: Rule[] }[] } };
    return data.groups.filter(({ name }) => name === 'userpulse').flatMap(({ rules }) => rules);
  };
  // Rules are evaluated once a minute.
  await expect
    .poll(async () => (await provisioned()).filter(({ lastEvaluation }) => !lastEvaluation.startsWith('0001')).length, {
      timeout: 150_000,
      intervals: [3_000],
    })
    .toBeGreaterThanOrEqual(3);
  const ours = (await provisioned()).filter(
    ({ query }) => query.includes(`"${SOURCE.uid}"`) || query.includes(SOURCE.type),
  );
  expect(ours.map(({ name, health, lastError }) => ({ name, health, lastError }))).toEqual(
    ours.map(({ name }) => ({ name, health: 'ok', lastError: undefined })),
  );
  for (const { annotations } of await provisioned()) expect(JSON.stringify(annotations)).not.toMatch(/\$\$|\$[A-Z]/);
});
