import { defineConfig, devices } from '@playwright/test';
import type { PluginOptions } from '@grafana/plugin-e2e';
import { dirname } from 'node:path';
import { createRequire } from 'node:module';

const pluginE2eAuth = `${dirname(createRequire(import.meta.url).resolve('@grafana/plugin-e2e'))}/auth`;

/** Specs for a real Grafana: `docker compose up --detach --build --wait`, then `npx playwright test` in this folder. */
export default defineConfig<PluginOptions>({
  testDir: './specs',
  timeout: 60_000,
  retries: process.env['CI'] === undefined ? 0 : 1,
  reporter: [['list'], ['html', { open: 'never' }]],
  use: {
    baseURL: process.env['GRAFANA_URL'] ?? 'http://127.0.0.1:3000',
    provisioningRootDir: '../../provisioning',
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'auth', testDir: pluginE2eAuth, testMatch: [/.*\.js/] },
    {
      name: 'chromium',
      use: { ...devices['Desktop Chrome'], storageState: 'playwright/.auth/admin.json' },
      dependencies: ['auth'],
    },
  ],
});
