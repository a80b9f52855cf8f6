import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * One runner, one project per kind of test:
 * unit         pure logic beside its source; no server, no network
 * frontend     the plugin's own code in jsdom
 * integration  adapters and commands on a real influxd, Kinesis API server and S3 server, started once by the global set-up
 * faults       ingest on the same servers behind proxies that misbehave, killed and restarted: the short form of `make faults`
 * images       the Dockerfiles and the compose file, without a container engine
 * host         the built plugin in Chromium on the plugin host, end to end
 * chart        the Helm chart rendered by Helm and validated, without a cluster
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // Loading the same modules again for every file took a third of the suite's CPU. Tests leave nothing behind in them.
          isolate: false,
          // Property tests take seconds on a busy machine.
          testTimeout: 60_000,
          include: [
            'contract/**/*.test.ts',
            'backend/src/**/*.test.ts',
            'tools/**/*.test.ts',
            'bench/**/*.test.ts',
            'provisioning/**/*.test.ts',
            'tests/mutations/**/*.test.ts',
          ],
        },
      },
      {
        // The ES modules of @grafana/* name exports of CommonJS packages in a way that only bundlers understand; their CommonJS builds run as they are.
        resolve: {
          alias: ['data', 'runtime', 'ui'].map((name) => ({
            find: new RegExp(`^@grafana/${name}$`),
            replacement: fileURLToPath(new URL(`node_modules/@grafana/${name}/dist/cjs/index.cjs`, import.meta.url)),
          })),
        },
        test: {
          name: 'frontend',
          isolate: false,
          include: ['src/**/*.test.{ts,tsx}'],
          environment: 'jsdom',
          setupFiles: ['src/testing/setup.ts'],
          // Drawing Grafana's components takes seconds on a busy machine.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/support/parts.setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/faults/**/*.test.ts'],
          globalSetup: ['tests/support/parts.setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'images',
          include: ['tests/images/**/*.test.ts'],
          globalSetup: ['tests/support/parts.setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'host',
          include: ['host/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          testTimeout: 180_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'chart',
          include: ['tests/chart/**/*.test.ts'],
          globalSetup: ['tests/chart/support/tools.setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
