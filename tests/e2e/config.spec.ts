import { texts } from '../../src/texts.ts';
import { environment, expect, SOURCE, test } from './fixtures.ts';

/** The address at which Grafana's own server reaches the backend: where Grafana runs in a container it is another one than ours. */
const backendOf = async (request: { get(url: string): Promise<{ json(): Promise<unknown> }> }): Promise<string> =>
  ((await (await request.get(`/api/datasources/uid/${SOURCE.uid}`)).json()) as { url: string }).url;

test('the provisioned data source is healthy and says that it is provisioned', async ({
  gotoDataSourceConfigPage,
  page,
}) => {
  const config = await gotoDataSourceConfigPage(SOURCE.uid);
  await expect(page.getByText(texts.config.readOnly)).toBeVisible();
  // `editable: false` leaves "Test" of "Save & test".
  const answer = page.waitForResponse((response) => response.url().includes(`/uid/${SOURCE.uid}/health`));
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  expect(await (await answer).json()).toMatchObject({ status: 'OK' });
  await expect(config).toHaveAlert('success');
});

test('a data source made by hand is saved and tested', async ({ createDataSourceConfigPage, page, request }) => {
  const config = await createDataSourceConfigPage({ type: SOURCE.type });
  await page
    .getByLabel(texts.config.url.label, { exact: false })
    .first()
    .fill(await backendOf(request));
  await page.getByLabel(texts.config.token.label, { exact: false }).first().fill(environment('USERPULSE_API_TOKEN'));
  await expect(config.saveAndTest()).toBeOK();
  await expect(config).toHaveAlert('success');
});

test('a wrong token is named, with what to do', async ({ createDataSourceConfigPage, page, request }) => {
  const config = await createDataSourceConfigPage({ type: SOURCE.type });
  await page
    .getByLabel(texts.config.url.label, { exact: false })
    .first()
    .fill(await backendOf(request));
  await page.getByLabel(texts.config.token.label, { exact: false }).first().fill('not-the-token-at-all');
  await expect(config.saveAndTest()).not.toBeOK();
  await expect(config).toHaveAlert('error', { hasText: 'token' });
});
