import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheRoot } from './parts/go-tool.ts';
import { createProgress, type Progress } from './progress.ts';

/**
 * `make build-leases`: the lease program of many workers, with KCL, into backend/leases/. Needs Maven and Java 17; what was built once is kept in the
 * cache, under a hash of its sources.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = join(ROOT, 'leases');
const OUTPUT = join(ROOT, 'backend', 'leases');
const JAR = 'userpulse-leases.jar';
const run = promisify(execFile);

async function sources(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) files.push(path);
    else if (entry.name !== 'target') files.push(...(await sources(path)));
  }
  return files.sort();
}

async function sourcesHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of await sources(SOURCES)) hash.update(file.slice(SOURCES.length)).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Builds in a folder of its own, so that several may build at once, and moves the whole into the cache. */
async function build(cached: string, progress: Progress): Promise<void> {
  progress.line(`The lease program is built once, by Maven, and then kept in ${cached}.`);
  await mkdir(join(cached, '..'), { recursive: true });
  const work = await mkdtemp(`${cached}-`);
  try {
    await cp(SOURCES, join(work, 'leases'), { recursive: true, filter: (from) => !from.includes('/target') });
    await run('mvn', ['--batch-mode', '--quiet', '--file', join(work, 'leases', 'pom.xml'), 'package'], {
      maxBuffer: 1 << 26,
    }).catch((thrown: unknown) => {
      const error = thrown as Error & { readonly stdout?: string; readonly code?: string };
      throw error.code === 'ENOENT'
        ? new Error('Maven is missing: the lease program of many workers needs it (Debian: apt-get install maven).')
        : new Error(`Maven could not build the lease program: ${error.stdout ?? error.message}`);
    });
    const target = join(work, 'leases', 'target');
    const whole = join(work, 'whole');
    await mkdir(whole);
    await rename(join(target, JAR), join(whole, JAR));
    await rename(join(target, 'lib'), join(whole, 'lib'));
    await rename(whole, cached).catch(async (error: unknown) => {
      // Another process was faster.
      if (!(await isThere(join(cached, JAR)))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** @returns the folder with the program, built where it is missing or older than its sources */
export async function buildLeases(progress: Progress): Promise<string> {
  const cached = join(cacheRoot(), 'leases', await sourcesHash());
  if (!(await isThere(join(cached, JAR)))) await build(cached, progress);
  const current = await readFile(join(OUTPUT, JAR)).catch(() => undefined);
  if (current === undefined || !current.equals(await readFile(join(cached, JAR)))) {
    await rm(OUTPUT, { recursive: true, force: true });
    await cp(cached, OUTPUT, { recursive: true });
  }
  return OUTPUT;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildLeases(createProgress(process.stderr));
