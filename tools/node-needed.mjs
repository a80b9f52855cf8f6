// @ts-check
/** Which Node Userpulse needs. Plain JavaScript that an old Node can run, because it comes before all else. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** As package.json has it: `22.15`. */
export function neededNode() {
  const file = fileURLToPath(new URL('../package.json', import.meta.url));
  return /\d+(?:\.\d+)*/.exec(JSON.parse(readFileSync(file, 'utf8')).engines.node)?.[0] ?? '0';
}

/** Whether the Node that runs this is at least that. */
export function isNewEnough() {
  const has = process.versions.node.split('.').map(Number);
  for (const [at, part] of neededNode().split('.').map(Number).entries()) {
    if (has[at] !== part) return (has[at] ?? 0) > part;
  }
  return true;
}
