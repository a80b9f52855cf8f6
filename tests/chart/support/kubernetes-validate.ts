import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheRoot } from '../../../tools/parts/go-tool.ts';
import type { Progress } from '../../../tools/progress.ts';

const run = promisify(execFile);
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));

/**
 * A Python with the packages of requirements.txt: a virtual environment in the user's cache, by version, made once.
 * @throws Error naming what has to be installed
 */
export async function findKubernetesValidate(progress: Progress): Promise<string> {
  const pinned = (await readFile(REQUIREMENTS, 'utf8')).trim();
  const version = /^kubernetes-validate==(\S+)/m.exec(pinned)?.[1];
  if (version === undefined) throw new Error(`${REQUIREMENTS} does not pin kubernetes-validate.`);
  const folder = join(cacheRoot(), 'kubernetes-validate', version);
  const python = join(folder, 'bin', 'python');
  const finished = join(folder, 'requirements.txt');
  // Written last: an environment without it was interrupted.
  const installed = await readFile(finished, 'utf8').catch(() => '');
  if (installed.trim() === pinned) return python;
  progress.line(`kubernetes-validate ${version} is installed once and then kept in ${folder}.`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    await run('python3', ['-m', 'venv', folder]);
  } catch (error) {
    throw new Error(
      'Python 3 with its venv module is needed to validate the Helm chart (Debian: apt-get install python3-venv).',
      { cause: error },
    );
  }
  await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', REQUIREMENTS]);
  await writeFile(finished, `${pinned}\n`);
  return python;
}

export interface Verdict {
  /** The object as JSON. */
  readonly object: string;
  /** Version of Kubernetes, such as `1.37`. */
  readonly version: string;
  /** What is wrong with it; empty where it is valid. */
  readonly problem: string;
}

/** Validates objects of Kubernetes' own kinds against the API's schema, unknown fields refused. */
export async function validateObjects(
  python: string,
  objects: readonly string[],
  versions: readonly string[],
): Promise<readonly Verdict[]> {
  const child = run(python, [fileURLToPath(new URL('validate.py', import.meta.url)), ...versions], {
    maxBuffer: 64 * 1024 * 1024,
  });
  child.child.stdin?.end(objects.map((object) => `${object}\n`).join(''));
  const { stdout } = await child;
  const problems = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as string[]);
  return objects.flatMap((object, i) =>
    versions.map((version, j) => ({ object, version, problem: problems[i]?.[j] ?? 'not validated' })),
  );
}
