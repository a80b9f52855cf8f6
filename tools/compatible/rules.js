import grafana from '@grafana/eslint-plugin-plugins';
import * as parser from '@typescript-eslint/parser';
import { readFileSync } from 'node:fs';

/**
 * `npm run lint:compatible`: nothing is imported from Grafana that the oldest supported version lacks. Apart from `make check`, because the
 * rule fetches that version's packages from the registry, once per machine.
 */
const { dependencies } = JSON.parse(readFileSync(new URL('../../src/plugin.json', import.meta.url), 'utf8'));
const minGrafanaVersion = dependencies.grafanaDependency.replace('>=', '');

export default [
  { ignores: ['**/*.test.*', '**/testing/**'] },
  {
    files: ['**/*.{ts,tsx}'],
    // Comments that quieten rules of the checkout's own configuration mean nothing here.
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'off' },
    languageOptions: { parser },
    plugins: { '@grafana/plugins': grafana },
    rules: { '@grafana/plugins/import-is-compatible': ['error', { minGrafanaVersion }] },
  },
];
