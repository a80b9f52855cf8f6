import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import webpack from 'webpack';
import type { StatsCompilation, StatsModule } from 'webpack';
import config from '../webpack.config.ts';

/**
 * `npx tsx tools/bundle-report.ts`: builds the plugin's frontend as it is released and says how large it is and what is in it. Fails where
 * code of a dependency has slipped in: Grafana provides all that the plugin uses.
 */
async function main(): Promise<number> {
  const stats = await build();
  if (stats.errors && stats.errors.length > 0) {
    process.stderr.write(`${stats.errors.map(({ message }) => message).join('\n')}\n`);
    return 1;
  }
  const modules = leaves(stats.modules ?? []);
  const own = modules.filter(
    ({ moduleType, name = '' }) => moduleType?.startsWith('javascript') && !name.startsWith('external '),
  );
  const provided = modules.flatMap(({ name = '' }) => /^external "(.+)"$/.exec(name)?.[1] ?? []);
  const foreign = own.filter(({ name = '' }) => name.includes('node_modules'));

  const code = await readFile(join(stats.outputPath ?? 'dist', 'module.js'));
  const packed = await promisify(gzip)(code, { level: 9 });
  const lines = [
    `module.js        ${kilobytes(code.length)}, ${kilobytes(packed.length)} gzipped`,
    `from Grafana     ${provided.sort().join(', ')}`,
    'sources by folder, before minification:',
    ...[...byFolder(own)]
      .sort(([, a], [, b]) => b - a)
      .map(([folder, size]) => `  ${folder.padEnd(26)} ${kilobytes(size)}`),
    ...foreign.map(({ name }) => `Bundled from a dependency, which it must not be: ${name ?? ''}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return foreign.length === 0 ? 0 : 1;
}

function build(): Promise<StatsCompilation> {
  return new Promise((resolve, reject) => {
    webpack({ ...config({ production: true }), cache: false }, (error, stats) => {
      if (error || !stats) reject(error ?? new Error('webpack gave no report.'));
      else
        resolve(
          stats.toJson({
            all: false,
            modules: true,
            nestedModules: true,
            errors: true,
            outputPath: true,
            modulesSpace: Infinity,
            nestedModulesSpace: Infinity,
          }),
        );
    });
  });
}

/** Modules as they were written: webpack joins several into one and reports them inside it. */
const leaves = (modules: readonly StatsModule[]): StatsModule[] =>
  modules.flatMap((module) => (module.modules && module.modules.length > 0 ? leaves(module.modules) : [module]));

function byFolder(modules: readonly StatsModule[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name = '', size = 0 } of modules) {
    const folder = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '.';
    sizes.set(folder, (sizes.get(folder) ?? 0) + size);
  }
  return sizes;
}

const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

process.exitCode = await main();
