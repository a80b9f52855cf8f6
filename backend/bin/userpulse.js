#!/usr/bin/env node
// The bundle is made by `make build`; say so instead of failing with a module path.
import { existsSync } from 'node:fs';
const bundle = new URL('../dist/main.js', import.meta.url);
if (!existsSync(bundle)) {
  process.stderr.write('userpulse: not built yet. Run `make build` in the checkout first.\n');
  process.exit(1);
}
await import(bundle.href);
