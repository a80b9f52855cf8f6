import { expect, test } from '@grafana/plugin-e2e';

test('a variable lists the interaction types that occur', async ({
  variableEditPage,
  readProvisionedDataSource,
  page,
}) => {
  const source = await readProvisionedDataSource({ fileName: 'userpulse.yaml', name: 'Userpulse' });
  await variableEditPage.setVariableType('Query');
  await variableEditPage.datasource.set(source.name);
  await expect(page.getByLabel('List', { exact: true }).first()).toBeVisible();
  await variableEditPage.runQuery();
  await expect(variableEditPage).toDisplayPreviews([/^[a-z][a-z0-9_]*$/]);
});

test('an annotation query runs', async ({ annotationEditPage, readProvisionedDataSource }) => {
  const source = await readProvisionedDataSource({ fileName: 'userpulse.yaml', name: 'Userpulse' });
  await annotationEditPage.datasource.set(source.name);
  await expect(annotationEditPage.runQuery()).toBeOK();
});
