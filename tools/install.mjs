// @ts-check
/**
 * Puts in what the other targets need, and only what is missing: `node tools/install.mjs [--tests]`. Plain JavaScript without packages,
 * because it runs before any is there.
 *
 * Always: this Node is new enough; the packages of package-lock.json. With --tests also: the packages of the plugin host's pages, a Go
 * tool chain, a Chromium, and Java with Maven.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isNewEnough, neededNode } from './node-needed.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];
const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`install: ${message}\n`);
  process.exit(1);
}

/** @param {string} text */
const say = (text) => process.stderr.write(`install: ${text}\n`);

/** @param {string} name */
function onPath(name) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      if (folder === '') return false;
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {string} command @param {string[]} args @param {string} [cwd] */
function run(command, args, cwd = ROOT) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] });
  return error === undefined && status === 0;
}

function checkNode() {
  if (!isNewEnough()) fail(`this is Node ${process.versions.node}; Userpulse needs ${neededNode()} or newer.`);
}

/**
 * Whether node_modules holds what the lockfile says, package by package. Versions are compared, not times: a lockfile that was merely
 * touched costs nothing, one that was changed is never missed. (npm's own record, node_modules/.package-lock.json, will not do: it names
 * packages that `npm install --package-lock-only` has not put there.)
 *
 * @param {string} folder
 */
function inStep(folder) {
  const wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true;
    let text;
    try {
      text = readFileSync(join(folder, path, 'package.json'), 'utf8');
    } catch {
      // Optional packages are for other platforms, or peers that nobody asked for.
      return entry.optional || entry.devOptional || entry.peer;
    }
    // Some packages write v1.2.3 where the lockfile has 1.2.3.
    return JSON.parse(text).version.replace(/^v/, '') === entry.version;
  });
}

/** @param {string} folder */
function packages(folder) {
  if (!existsSync(join(folder, 'package-lock.json')) || inStep(folder)) return;
  // What is there already is brought up to date in place: npm ci would first remove all of it, under the feet of whatever runs.
  if (existsSync(join(folder, 'node_modules'))) {
    say(`npm install in ${folder}`);
    if (run('npm', ['install', '--no-save', ...QUIET], folder)) return;
  }
  say(`npm ci in ${folder}`);
  if (!run('npm', ['ci', ...QUIET], folder)) {
    fail(`npm ci failed in ${folder}. Its message above says why; with a network in reach, run make install again.`);
  }
}

function goTools() {
  if (!onPath('go')) fail('Go was not found on PATH. Install Go 1.26 or newer (https://go.dev/dl).');
  for (const folder of [ROOT]) {
    if (existsSync(join(folder, 'go.mod')) && !run('go', ['mod', 'download'], folder)) {
      fail(`the Go modules of ${folder} could not be fetched. With a network in reach, run make install again.`);
    }
  }
}

/** @param {string} what @param {string[]} names of Debian's packages @param {string} manual what to do by hand */
function debian(what, names, manual) {
  if (!onPath('apt-get')) fail(`no ${what} was found, and this is no system with apt-get. ${manual}`);
  const root = process.getuid?.() === 0;
  if (!root && !(onPath('sudo') && run('sudo', ['-n', 'true'])))
    fail(`no ${what} was found, and installing it needs root. ${manual}`);
  const apt = (/** @type {string[]} */ ...args) =>
    root ? run('apt-get', args) : run('sudo', ['-n', 'apt-get', ...args]);
  say(`apt-get install ${names.join(' ')}`);
  if (!apt('update', '-qq') || !apt('install', '-y', '-qq', '--no-install-recommends', ...names)) {
    fail(`apt-get could not install ${what}. ${manual}`);
  }
}

function chromium() {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) fail(`CHROMIUM names ${named}, which is not there. Correct it or unset it.`);
    return;
  }
  if (CHROMIUM.some(onPath)) return;
  debian(
    'Chromium',
    ['chromium'],
    'Install Chromium (Debian: apt-get install chromium), or name one in the variable CHROMIUM.',
  );
}

/** For the lease program of several workers. */
function java() {
  const missing = [...(onPath('javac') ? [] : ['openjdk-17-jdk-headless']), ...(onPath('mvn') ? [] : ['maven'])];
  if (missing.length > 0) debian('Java 17 with Maven', missing, 'Install a JDK, version 17 or newer, and Maven.');
}

checkNode();
packages(ROOT);
if (process.argv.includes('--tests')) {
  for (const page of ['host/react18', 'host/react19']) packages(join(ROOT, page));
  goTools();
  chromium();
  java();
}
