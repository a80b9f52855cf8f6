// @ts-check
/**
 * Prints the folder of a Node that Userpulse runs on, for PATH: `node tools/node.mjs`. Nothing where the Node that runs this will do. Where it is
 * too old, the pinned one is fetched from npm, once, into the user's cache. Plain JavaScript that an old Node can run, because it comes before all else.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isNewEnough } from './node-needed.mjs';

const VERSION = '24.21.0';
/** npm's packages of Node's own builds. */
const PACKAGES = ['linux-x64', 'linux-arm64'];

function pinned() {
  const platform = `${process.platform}-${process.arch}`;
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const home = join(cache, 'userpulse', 'node', `${VERSION}-${platform}`);
  if (existsSync(join(home, 'bin', 'node'))) return join(home, 'bin');
  // Whoever reads this on another platform is told by tools/install.mjs which Node to install.
  if (!PACKAGES.includes(platform)) return '';
  process.stderr.write(`node: this is Node ${process.versions.node}; fetching ${VERSION} into ${home}\n`);
  mkdirSync(dirname(home), { recursive: true });
  const scratch = mkdtempSync(`${home}-`);
  try {
    const { status } = spawnSync(
      'npm',
      ['install', '--prefix', scratch, '--no-audit', '--no-fund', '--loglevel=error', `node-${platform}@${VERSION}`],
      { stdio: ['ignore', 2, 2] },
    );
    if (status !== 0) return '';
    try {
      renameSync(join(scratch, 'node_modules', `node-${platform}`), home);
    } catch (error) {
      // Another make was faster.
      if (!existsSync(join(home, 'bin', 'node'))) throw error;
    }
    return join(home, 'bin');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (!isNewEnough()) process.stdout.write(pinned());
