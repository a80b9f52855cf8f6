#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

const NEEDED = [22, 15];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const bundle = new URL('../dist/main.js', import.meta.url);

/** @param {string} message @returns {never} */
function refuse(message) {
  process.stderr.write(`userpulse: ${message}\n`);
  process.exit(1);
}

if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  refuse(
    `This is Node ${process.versions.node}. Userpulse needs Node ${NEEDED.join('.')} or newer; Node 24 is recommended.`,
  );
}
// The bundle is made by `make build`; say so instead of failing with a module path.
if (!existsSync(bundle)) refuse('not built yet. Run `make build` in the checkout first.');
// Loading the program would make V8's young generation larger than some commands want it, for good. It may grow from src/memory/heap.ts on.
setFlagsFromString('--semi-space-growth-factor=1');
await import(bundle.href);
