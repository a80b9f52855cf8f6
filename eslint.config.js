import { existsSync } from 'node:fs';
import globals from 'globals';
import hooks from 'eslint-plugin-react-hooks';
import { tsImport } from 'tsx/esm/api';
import tseslint from 'typescript-eslint';

const { BACKEND, OUTSIDE, boundariesRule } = await tsImport('./tools/boundaries.ts', import.meta.url);

/** The page has its own packages, which only the tests install; without them every type of theirs is unknown. */
const hostPage = existsSync('host/react18/node_modules') ? [] : ['host/page/**'];

export default tseslint.config(
  {
    ignores: [
      ...hostPage,
      '**/node_modules/**',
      '**/dist/**',
      'artifacts/**',
      'coverage/**',
      '**/*.js',
      '**/*.cjs',
      '**/*.mjs',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    // Which folder may import which: tools/boundaries.ts. The lists are handed over so that a change of them is no hit in ESLint's cache.
    files: ['**/*.{ts,tsx}'],
    plugins: { userpulse: { rules: { boundaries: boundariesRule } } },
    rules: { 'userpulse/boundaries': ['error', { BACKEND, OUTSIDE }] },
  },
  {
    languageOptions: { parserOptions: { projectService: true }, globals: globals.node },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    // The composition root is the only reader of the environment and of signals: everything else is given what it needs.
    files: ['backend/src/**/*.ts'],
    ignores: ['backend/src/main.ts', '**/*.test.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only backend/src/main.ts reads the environment.' },
        { object: 'process', property: 'on', message: 'Only backend/src/main.ts listens to signals.' },
      ],
    },
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    languageOptions: { globals: globals.browser },
    rules: { 'react-hooks/rules-of-hooks': 'error', 'react-hooks/exhaustive-deps': 'error' },
  },
  {
    // Classic dashboard JSON is what every supported Grafana imports and provisions; the SDK marks its builders deprecated for v2.
    files: ['provisioning/typescript/**/*.ts'],
    rules: { '@typescript-eslint/no-deprecated': 'off' },
  },
  {
    // The host page stands in for Grafana's core: it must give plugins the old services too, works on JSON whose enums are plain
    // strings, and runs on more than the one version of @grafana/* that it is typed by.
    files: ['host/page/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    languageOptions: { globals: globals.browser },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      '@typescript-eslint/no-deprecated': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['**/*.test.ts', '**/*.test.tsx', 'tests/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
