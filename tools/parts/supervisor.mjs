// @ts-check
/**
 * Runs one server and outlives whoever started it, just long enough to take the server down.
 *
 * The starter holds the other end of our stdin. However the starter ends (stop(), a signal, kill -9, a crash) that pipe closes; then the
 * server is ended and its folder removed. Plain JavaScript, because it must start fast and without a loader.
 *
 * argv[2]: JSON {command, args, env, cwd, log, graceMs, remove, lastOf}
 *   log     file that takes the server's output
 *   remove  the server's own folder
 *   lastOf  {servers, root}: when no folder is left in `servers`, `root` goes as well
 * stdin:  the line "start" starts the server again after it has ended (same arguments, same data)
 * stdout: JSON lines {pid} when the server runs and {exit, signal} when it has ended
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, rmdirSync, rmSync } from 'node:fs';

const spec = JSON.parse(process.argv[2] ?? '');
/** @type {import('node:child_process').ChildProcess | undefined} */
let server;
let ending = false;

/** @param {object} message */
const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

function start() {
  if (server !== undefined || ending) return;
  const log = openSync(spec.log, 'a');
  const child = spawn(spec.command, spec.args, { cwd: spec.cwd, env: spec.env, stdio: ['ignore', log, log] });
  closeSync(log);
  server = child;
  const ended = (/** @type {number | null} */ exit, /** @type {string | null} */ signal) => {
    if (server !== child) return;
    server = undefined;
    tell({ exit, signal });
    if (ending) leave();
  };
  child.once('error', (error) => {
    tell({ error: error.message });
    ended(127, null);
  });
  child.once('exit', ended);
  if (child.pid !== undefined) tell({ pid: child.pid });
}

function end() {
  if (ending) return;
  ending = true;
  if (server === undefined) return leave();
  server.kill('SIGTERM');
  // A stopped (SIGSTOP) server does not see SIGTERM; SIGKILL ends it in any state.
  setTimeout(() => server?.kill('SIGKILL'), spec.graceMs);
}

function leave() {
  rmSync(spec.remove, { recursive: true, force: true, maxRetries: 3 });
  try {
    rmdirSync(spec.lastOf.servers);
    rmSync(spec.lastOf.root, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // Another server still has its folder: the last one removes the root.
  }
  process.exit(0);
}

process.stdout.on('error', () => {}); // Nobody reads any more; stdin says so too.
process.on('SIGTERM', end);
process.on('SIGINT', () => {}); // Ctrl-C goes to the starter, who stops things in its order.
process.on('SIGHUP', () => {});
let text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  text += chunk;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
    if (text.slice(0, at) === 'start') start();
    text = text.slice(at + 1);
  }
});
process.stdin.on('end', end);
process.stdin.on('error', end);
start();
