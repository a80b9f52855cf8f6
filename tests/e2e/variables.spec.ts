import { PRESETS } from '../../contract/presets.ts';
import { texts } from '../../src/texts.ts';
import { choose, expect, SOURCE, test } from './fixtures.ts';

test('a new variable lists the interaction types that occur, without a choice', async ({ variableEditPage, page }) => {
  await variableEditPage.setVariableType('Query');
  await variableEditPage.datasource.set(SOURCE.name);
  await expect(page.getByLabel(texts.variable.list.label, { exact: true }).first()).toBeVisible();
  await variableEditPage.runQuery();
  await expect(variableEditPage).toDisplayPreviews([/^[a-z][a-z0-9_]*$/]);
});

test('an annotation query runs, and its editor is still there afterwards', async ({ annotationEditPage, page }) => {
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  await annotationEditPage.datasource.set(SOURCE.name);
  // A question that needs no ID.
  await choose(page, PRESETS.everyone.label);
  await expect(annotationEditPage.runQuery()).toBeOK();
  await expect(page.getByText(texts.errorBoundary.title)).toBeHidden();
  expect(problems).toEqual([]);
});
