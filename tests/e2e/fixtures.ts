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

/** Grafana's radio buttons lie beneath their labels: a click on the text itself is intercepted, one on the label is what people do. */
export const radio = (root: Page | Locator, name: string): Locator =>
  root.getByRole('radio', { name, exact: true }).locator('xpath=following-sibling::label');
