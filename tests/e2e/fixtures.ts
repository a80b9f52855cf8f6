import { expect, test as base } from '@grafana/plugin-e2e';
import type { Locator, Page } from '@playwright/test';
import { countSample, WEEK, type Counted } from './sample.ts';

/** What the specs share. The sample, the backend and Grafana are named by the environment: see dev/e2e.ts. */
export function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: run the specs with npm run e2e.`);
  return value;
}

/** The provisioned data source. */
export const SOURCE = { name: 'Userpulse', uid: 'userpulse', type: 'userpulse-interactions-datasource' } as const;

/** The sample's week as a dashboard's time range. */
export const week = { from: String(WEEK.from), to: String(WEEK.to) } as const;

export const test = base.extend<object, { counted: Counted }>({
  counted: [
    // Playwright reads a fixture's needs from its first parameter: this one has none.
    async ({}, use) => {
      await use(await countSample(environment('USERPULSE_SAMPLE')));
    },
    { scope: 'worker' },
  ],
});
export { expect };

/** A whole number as Grafana's unit "locale" shows it. */
export const shown = (count: number): string => count.toLocaleString('en-GB');

/** A query's answer by its refId, as Grafana's server gave it to the page. */
interface QueryAnswer {
  readonly results: Readonly<Record<string, { readonly frames?: { data: { values: number[][] } }[] }>>;
}

/** Waits for the answer to a query whose request holds a text; to be called before what makes the page ask. */
export async function answerTo(page: Page, text: string): Promise<QueryAnswer> {
  const response = await page.waitForResponse(
    (one) => one.url().includes('/api/ds/query') && (one.request().postData() ?? '').includes(text),
    { timeout: 120_000 },
  );
  expect(response.status()).toBe(200);
  return (await response.json()) as QueryAnswer;
}

/** All values of a time series answer, added up; its first field is the time. */
export const summed = ({ results }: QueryAnswer): number =>
  (results['A']?.frames ?? []).flatMap(({ data: { values } }) => values.slice(1).flat()).reduce((a, b) => a + b, 0);

/** Runs the queries of the page again, by Grafana's own button. */
export const refresh = (page: Page): Promise<void> =>
  page.getByTestId('data-testid RefreshPicker run button').first().click();

/** A click on the text of Grafana's radio buttons is intercepted by the input that lies over it. */
export const choose = (root: Page | Locator, name: string): Promise<void> =>
  root.getByRole('radio', { name, exact: true }).check();
