import { expect, test } from '@grafana/plugin-e2e';

const TYPE = 'userpulse-interactions-datasource';
const URL = process.env['USERPULSE_URL'] ?? 'http://serve:8088';
const TOKEN = process.env['USERPULSE_API_TOKEN'] ?? 'userpulse-local-api-token';

test('the provisioned data source is healthy', async ({ readProvisionedDataSource, gotoDataSourceConfigPage }) => {
  const source = await readProvisionedDataSource({ fileName: 'userpulse.yaml', name: 'Userpulse' });
  const page = await gotoDataSourceConfigPage(source.uid);
  await expect(page.saveAndTest()).toBeOK();
});

test('a data source made by hand is saved and tested', async ({ createDataSourceConfigPage, page }) => {
  const config = await createDataSourceConfigPage({ type: TYPE });
  await page.getByLabel('URL', { exact: true }).fill(URL);
  await page.getByLabel('API token', { exact: true }).fill(TOKEN);
  await expect(config.saveAndTest()).toBeOK();
});

test('a wrong token is named, with what to do', async ({ createDataSourceConfigPage, page }) => {
  const config = await createDataSourceConfigPage({ type: TYPE });
  await page.getByLabel('URL', { exact: true }).fill(URL);
  await page.getByLabel('API token', { exact: true }).fill('not-the-token-at-all');
  await expect(config.saveAndTest()).not.toBeOK();
  await expect(config).toHaveAlert('error', { hasText: 'token' });
});
