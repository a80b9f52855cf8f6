import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PluginOptions } from '@grafana/plugin-e2e';
import { defineConfig, devices } from '@playwright/test';

const pluginE2e = dirname(fileURLToPath(import.meta.resolve('@grafana/plugin-e2e')));
const chromium = process.env['CHROMIUM'];

/**
 * Specs in a browser on a real Grafana, at GRAFANA_URL. `npm run e2e` runs them with all that they need; see dev/e2e.ts.
 * Times are for a machine that does much else: nothing is faster for waiting less.
 */
export default defineConfig<PluginOptions>({
  testDir: './tests/e2e',
  outputDir: './artifacts/e2e/results',
  timeout: 180_000,
  expect: { timeout: 60_000 },
  // The specs share one Grafana, and one of them stops its backend.
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  reporter: [['list'], ['html', { open: 'never', outputFolder: './artifacts/e2e/report' }]],
  use: {
    baseURL: process.env['GRAFANA_URL'] ?? 'http://127.0.0.1:3000',
    provisioningRootDir: join(import.meta.dirname, 'provisioning'),
    // High enough that every panel of a dashboard is drawn: Grafana draws what can be seen.
    viewport: { width: 1600, height: 2400 },
    timezoneId: 'UTC',
    locale: 'en-GB',
    actionTimeout: 60_000,
    navigationTimeout: 120_000,
    // A trace keeps all that a page loads: on a busy machine it takes longer than the spec.
    trace: 'on-first-retry',
    screenshot: 'only-on-failure',
    launchOptions: {
      ...(chromium !== undefined && chromium !== '' && { executablePath: chromium }),
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
    },
  },
  projects: [
    { name: 'auth', testDir: join(pluginE2e, 'auth'), testMatch: [/.*\.js/] },
    {
      name: 'chromium',
      use: {
        ...devices['Desktop Chrome'],
        viewport: { width: 1600, height: 2400 },
        storageState: 'playwright/.auth/admin.json',
      },
      dependencies: ['auth'],
    },
  ],
});
