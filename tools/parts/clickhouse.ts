import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { cacheRoot } from './go-tool.ts';

/** ClickHouse 26.9 as a Python package. Installed on first use, into the cache. */
export const CHDB = 'chdb-core==26.9.0';
const SCRIPT = fileURLToPath(new URL('clickhouse.py', import.meta.url));

/** The folder with the package. Its requirements are for data frames, which nobody asks for here. */
export async function chdbPackages(say: (line: string) => void): Promise<string> {
  const folder = join(cacheRoot(), 'bench', CHDB.replace('==', '-'));
  if (existsSync(folder)) return folder;
  say(`installing ${CHDB} from PyPI`);
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(join(dirname(folder), 'partial-'));
  try {
    const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--target', partial, CHDB];
    await promisify(execFile)('python3', args);
    // Another process may have been faster.
    await rename(partial, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } catch (error) {
    throw new Error(`${CHDB} could not be installed. It needs Python 3 with pip, and PyPI.`, { cause: error });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}

const reply = z.union([z.object({ error: z.string() }), z.object({ text: z.string() })]);

/** ClickHouse in a process of its own, which ends with this one. */
export class Clickhouse {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(packages: string) {
    const child = spawn('python3', [SCRIPT], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], PYTHONPATH: packages },
    });
    child.stdin.on('error', () => undefined); // The process is gone; the missing answer says so.
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async start(say: (line: string) => void = () => undefined): Promise<Clickhouse> {
    return new Clickhouse(await chdbPackages(say));
  }

  /**
   * One statement after the other.
   * @returns a row per line, its cells as JSON
   * @throws Error with ClickHouse's own words
   */
  async ask(sql: string): Promise<unknown[][]> {
    const before = this.#last;
    const answer = (async () => {
      await before.catch(() => undefined);
      this.#child.stdin?.write(`${JSON.stringify(sql)}\n`);
      const line = await this.#lines.next();
      if (line.done === true) throw new Error('The ClickHouse process has ended.');
      const result = reply.parse(JSON.parse(line.value));
      if ('error' in result) throw new Error(`ClickHouse: ${result.error}`);
      return result.text
        .split('\n')
        .filter((row) => row !== '')
        .map((row) => JSON.parse(row) as unknown[]);
    })();
    this.#last = answer;
    return answer;
  }

  async stop(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await gone;
  }
}
