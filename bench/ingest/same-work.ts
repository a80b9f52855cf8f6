import { build, type Plugin } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { userpulse, type Consumer } from './consumers.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const SOURCE = here('../../backend/src/');

/** What of Userpulse the peers have nothing of, below backend/src, and by what it is replaced. A test holds that each is there. */
export const REPLACED: Readonly<Record<string, string>> = {
  'schema/points.ts': here('fake-points.ts'),
  'archive/gzip-lines.ts': here('fake-gzip-lines.ts'),
};

/**
 * Userpulse reduced to the peers' work, for a comparison of like with like and for nothing else: the same program built with two modules
 * replaced, so that an event becomes one point, in one bucket, and the archive's lines are thrown away instead of compressed and hashed. Objects
 * are still put, empty, and the checkpoint still moves behind both; rules of the contract, point identity and repeated ids stay too.
 */
export async function userpulseAtPeersWork(): Promise<Consumer> {
  const outfile = here('../../backend/dist/bench-same-work.js');
  await build({
    entryPoints: [here('../../backend/src/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
    plugins: [replacing],
  });
  return { ...userpulse({ program: [outfile] }), name: 'Userpulse reduced to the peers’ work', pointsPerEvent: 'one' };
}

const replacing: Plugin = {
  name: 'replacing',
  setup: (plugins) => {
    plugins.onResolve({ filter: /\.ts$/ }, ({ path, importer }) => {
      if (importer.startsWith(here('.'))) return undefined;
      const source = fileURLToPath(new URL(path, `file://${importer}`));
      const fake = REPLACED[source.slice(SOURCE.length)];
      return fake === undefined || !source.startsWith(SOURCE) ? undefined : { path: fake };
    });
  },
};
