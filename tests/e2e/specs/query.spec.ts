import { expect, test } from '@grafana/plugin-e2e';

test('the default query of a new panel shows data', async ({ panelEditPage, readProvisionedDataSource }) => {
  const source = await readProvisionedDataSource({ fileName: 'userpulse.yaml', name: 'Userpulse' });
  await panelEditPage.datasource.set(source.name);
  await panelEditPage.timeRange.set({ from: 'now-15m', to: 'now' });
  await panelEditPage.setVisualization('Table');
  await expect(panelEditPage.refreshPanel()).toBeOK();
  await expect(panelEditPage.panel.fieldNames.first()).toContainText('Time');
});

test('a question about everyone answers in Explore, and its Flux is in the inspector', async ({
  explorePage,
  readProvisionedDataSource,
  page,
}) => {
  const source = await readProvisionedDataSource({ fileName: 'userpulse.yaml', name: 'Userpulse' });
  await explorePage.datasource.set(source.name);
  await explorePage.timeRange.set({ from: 'now-15m', to: 'now' });
  await page.getByText('Everyone', { exact: true }).first().click();
  await expect(explorePage.runQuery()).toBeOK();
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
});

test('an impossible id is refused in the editor before anything runs', async ({
  panelEditPage,
  readProvisionedDataSource,
  page,
}) => {
  const source = await readProvisionedDataSource({ fileName: 'userpulse.yaml', name: 'Userpulse' });
  await panelEditPage.datasource.set(source.name);
  await page.getByText('Received', { exact: true }).first().click();
  const ids = page.getByLabel('Users', { exact: true }).first();
  await ids.fill('") |> drop()');
  await ids.press('Enter');
  await expect(page.getByRole('alert').first()).toBeVisible();
});
