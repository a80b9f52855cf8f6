import { execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Progress } from '../progress.ts';
import { formatDuration } from '../text.ts';

const run = promisify(execFile);
const LOCK_POLL_MS = 1_000;
/** The holder of a lock touches it this often; one that has not been touched for {@link LOCK_STALE_MS} has lost its holder. */
const LOCK_BEAT_MS = 5_000;
const LOCK_STALE_MS = 60_000;

/** A server that comes as a Go module: where to look for its program, and how it is built when it is nowhere. */
export interface GoTool {
  readonly name: string;
  /** Environment variable that names the program and is then believed. */
  readonly variable: string;
  /** Version in the cache's key; a new version is built beside the old one. */
  readonly version: string;
  readonly versionArgs: readonly string[];
  /** Whether a program found on PATH will do, by what it prints for `versionArgs`. */
  accepts(versionText: string): boolean;
  /** Builds the program at `output`; `folder` is for whatever is needed on the way and is removed afterwards. */
  build(folder: string, output: string, progress: Progress): Promise<void>;
}

export const cacheRoot = (): string => {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'userpulse');
};

/** Finds the program (variable, PATH, cache) or builds it into the cache. Several processes may do so at once. */
export async function findGoTool(tool: GoTool, progress: Progress): Promise<string> {
  const named = process.env[tool.variable];
  if (named !== undefined && named !== '') {
    if (await executable(named)) return named;
    throw new Error(`${tool.variable} names ${named}, which is no program that can be run. Correct it or unset it.`);
  }
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const candidate = join(folder, tool.name);
    if (!(await executable(candidate))) continue;
    const text = await run(candidate, [...tool.versionArgs], { timeout: 20_000 }).then(
      (r) => r.stdout + r.stderr,
      () => '',
    );
    if (tool.accepts(text)) return candidate;
    progress.line(
      `${candidate} is not a ${tool.name} that fits (${text.trim() || 'it prints no version'}): passed over.`,
    );
  }
  const folder = join(cacheRoot(), tool.name, `${tool.version}-${process.platform}-${process.arch}`);
  const cached = join(folder, tool.name);
  if (await executable(cached)) return cached;
  await mkdir(folder, { recursive: true });
  const release = await lock(join(folder, 'lock'), cached, tool, progress);
  if (release === undefined) return cached;
  try {
    // Another process may have finished between our look and our lock.
    if (await executable(cached)) return cached;
    const work = await mkdtemp(join(folder, 'build-'));
    const started = Date.now();
    try {
      progress.line(`${tool.name} ${tool.version} is built once and then kept in ${folder}.`);
      const output = join(work, tool.name);
      await tool.build(work, output, progress);
      // Atomic: whoever looks sees the whole program or none.
      await rename(output, cached);
      progress.line(`${tool.name} ${tool.version} built in ${formatDuration(Date.now() - started)}.`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    return cached;
  } finally {
    await release();
  }
}

/**
 * Takes the lock file, waiting while its holder lives; undefined when the program was built meanwhile. Should two processes ever take
 * over from the same dead holder, both build, and the rename keeps the cache whole.
 */
async function lock(
  path: string,
  built: string,
  tool: GoTool,
  progress: Progress,
): Promise<(() => Promise<void>) | undefined> {
  const started = Date.now();
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), LOCK_BEAT_MS);
      return () => {
        clearInterval(beat);
        return rm(path, { force: true });
      };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    const age =
      Date.now() -
      (await stat(path).then(
        (s) => s.mtimeMs,
        () => Date.now(),
      ));
    if ((holder > 0 && !alive(holder)) || age > LOCK_STALE_MS) {
      await rm(path, { force: true });
      continue;
    }
    await sleep(LOCK_POLL_MS);
    if (await executable(built)) return undefined;
    progress.status(
      `Waiting for ${tool.name}: process ${holder || '?'} is building it (${formatDuration(Date.now() - started)}).`,
    );
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

export interface GoBuild {
  readonly what: string;
  /** Folder of our Go module, whose go.mod pins the version. */
  readonly module: string;
  readonly package: string;
  readonly output: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Said at the end of the progress line. */
  readonly detail?: () => string;
}

/**
 * `go build` with progress: packages compiled of packages in all.
 * @throws Error with the compiler's last lines and what has to be installed.
 */
export async function goBuild(build: GoBuild, progress: Progress): Promise<void> {
  const env = { ...process.env, GOWORK: 'off', ...build.env };
  const flags = build.flags ?? [];
  const options = { cwd: build.module, env, maxBuffer: 64 * 1024 * 1024 };
  const started = Date.now();
  let done = 0;
  let fetched = 0;
  let total: number | undefined;
  const show = (): void => {
    const packages = total === undefined ? `${fetched} modules fetched` : `${done} packages of at most ${total}`;
    const detail = build.detail?.() ?? '';
    progress.status(
      `Building ${build.what}: ${packages}${detail === '' ? '' : `, ${detail}`}, ${formatDuration(Date.now() - started)}`,
    );
  };
  const timer = setInterval(show, 500);
  try {
    // What is compiled already is in Go's own build cache and is not named again, so the count may end below the total.
    total = await run(
      'go',
      ['list', '-deps', ...flags.filter((f) => f.startsWith('-tags')), build.package],
      options,
    ).then(
      (r) => r.stdout.split('\n').length,
      (error: unknown) => {
        throw new Error(goFailure(build.what, error instanceof Error ? error.message : String(error)), {
          cause: error,
        });
      },
    );
    await new Promise<void>((resolve, reject) => {
      const child = spawn('go', ['build', '-v', '-trimpath', ...flags, '-o', build.output, build.package], {
        cwd: build.module,
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const said: string[] = [];
      createInterface({ input: child.stderr }).on('line', (line) => {
        if (line.startsWith('go: downloading')) fetched++;
        else if (/^[\w./~-]+$/.test(line)) done++;
        else {
          said.push(line);
          if (said.length > 30) said.shift();
        }
      });
      child.once('error', (error) => reject(new Error(goFailure(build.what, error.message), { cause: error })));
      child.once('close', (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(goFailure(build.what, `go build ended with ${signal ?? code}:\n${said.join('\n')}`)));
      });
    });
  } finally {
    clearInterval(timer);
  }
}

function goFailure(what: string, message: string): string {
  if (message.includes('ENOENT')) {
    return `Go is needed to build ${what} and was not found on PATH. Install Go 1.26 or newer, or name a ready program (see CONTRIBUTING).`;
  }
  return `${what} could not be built. ${message}`;
}

/** The version of `module` that the go.mod in `folder` requires, without the leading v: the one place where it is pinned. */
export async function pinnedVersion(folder: string, module: string): Promise<string> {
  const text = await readFile(join(folder, 'go.mod'), 'utf8');
  const line = text.split('\n').find((l) => l.trim().startsWith(`${module} v`));
  const version = line?.trim().split(/\s+/)[1];
  if (version === undefined) throw new Error(`${join(folder, 'go.mod')} does not require ${module}.`);
  return version.slice(1);
}
