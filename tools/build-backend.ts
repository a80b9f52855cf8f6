import { build } from 'esbuild';

/** One file for the whole backend; packages stay outside so that stack traces and audits name them. */
await build({
  entryPoints: ['backend/src/main.ts'],
  outfile: 'backend/dist/main.js',
  bundle: true,
  platform: 'node',
  target: 'node22.15',
  format: 'esm',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
});
