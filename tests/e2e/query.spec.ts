import { PRESETS } from '../../contract/presets.ts';
import { texts } from '../../src/texts.ts';
import { answerTo, choose, expect, refresh, SOURCE, summed, test, week } from './fixtures.ts';
import { sum, USER } from './sample.ts';

test('the default query of a new panel shows data', async ({ panelEditPage, page }) => {
  await panelEditPage.datasource.set(SOURCE.name);
  await panelEditPage.timeRange.set({ from: 'now-15m', to: 'now' });
  await panelEditPage.toggleTableView();
  const answered = answerTo(page, SOURCE.uid);
  await refresh(page);
  await answered;
  await expect(panelEditPage.panel.fieldNames.first()).toContainText(/time/i);
  await expect(panelEditPage.panel.data.first()).toContainText(/\d/);
});

test('a user’s total is that of the sample, and its Flux is shown', async ({ panelEditPage, page, counted }) => {
  await panelEditPage.datasource.set(SOURCE.name);
  await panelEditPage.timeRange.set({
    from: '2012-07-01 00:00:00',
    to: '2012-07-08 00:00:00',
    zone: 'Coordinated Universal Time',
  });
  const row = panelEditPage.getQueryEditorRow('A');
  await choose(row, PRESETS.received.label);
  const ids = row.getByLabel(texts.ids.user.label, { exact: true }).first();
  await ids.fill(USER);
  const answered = answerTo(page, `"ids":["${USER}"]`);
  await ids.press('Enter');
  await refresh(page);
  expect(summed(await answered)).toBe(sum(counted.received));
  await page.getByText(texts.flux.show).click();
  await expect(page.getByLabel(texts.flux.text)).toContainText('interactions_received');
});

test('a question about everyone answers in Explore', async ({ explorePage, page, counted }) => {
  const answered = answerTo(page, '"every":"1d"');
  await explorePage.goto({
    queryParams: new URLSearchParams({
      schemaVersion: '1',
      orgId: '1',
      panes: JSON.stringify({
        one: {
          datasource: SOURCE.uid,
          queries: [
            {
              refId: 'A',
              datasource: { type: SOURCE.type, uid: SOURCE.uid },
              version: 1,
              preset: 'everyone',
              ids: [],
              types: [],
              every: '1d',
              calc: 'count',
              groupBy: ['type'],
            },
          ],
          range: week,
        },
      }),
    }),
  });
  expect(summed(await answered)).toBe(sum(counted.total));
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
  for (const type of counted.total.keys()) await expect(page.getByRole('button', { name: type }).first()).toBeVisible();
});

test('an impossible ID is refused in the editor before anything runs', async ({ panelEditPage }) => {
  await panelEditPage.datasource.set(SOURCE.name);
  const row = panelEditPage.getQueryEditorRow('A');
  await choose(row, PRESETS.received.label);
  const ids = row.getByLabel(texts.ids.user.label, { exact: true }).first();
  await ids.fill('") |> drop()');
  await ids.press('Enter');
  await expect(row.getByRole('alert').first()).toBeVisible();
});
