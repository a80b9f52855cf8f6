import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { belongs, problems, readmeProblems } from './package/contents.ts';
import { zip, type ZipEntry } from './package/zip.ts';

/**
 * Builds the plugin's release: frontend and gateway for every platform into dist/, then artifacts/ID-VERSION.zip with its checksums.
 *
 *   node --import tsx tools/package.ts              build and pack
 *   node --import tsx tools/package.ts --pack-only  pack dist/ as it is: after signing, which adds MANIFEST.txt
 */
const DIST = 'dist';
const OUT = 'artifacts';
const CHECKSUMS = ['md5', 'sha1', 'sha256'] as const;

const packageJson = z.object({ version: z.string() });
const pluginJson = z.object({
  id: z.string(),
  executable: z.string(),
  info: z.object({
    version: z.string(),
    updated: z.string(),
    logos: z.object({ small: z.string(), large: z.string() }),
    screenshots: z.array(z.object({ path: z.string() })).default([]),
  }),
  includes: z.array(z.object({ type: z.string(), path: z.string().exactOptional() })).default([]),
});

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function run(command: string, args: readonly string[]): void {
  console.log(`${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error !== undefined) fail(`${command} cannot be run (${error.message}): install it, then run this again.`);
  if (status !== 0) fail(`${command} ended with exit code ${String(status)}; nothing was packed.`);
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}

function build(): void {
  // A signature of an earlier build would not fit this one.
  rmSync(path.join(DIST, 'MANIFEST.txt'), { force: true });
  run(process.execPath, [
    'node_modules/webpack-cli/bin/cli.js',
    '--config',
    'webpack.config.ts',
    '--env',
    'production',
  ]);
  run('go', ['tool', 'mage', '-v', 'buildAll']);
}

function pack(): void {
  const { version } = packageJson.parse(JSON.parse(readFileSync('package.json', 'utf8')));
  const plugin = pluginJson.parse(JSON.parse(readFileSync(path.join(DIST, 'plugin.json'), 'utf8')));
  const names = filesUnder(DIST).filter((name) => belongs(name, plugin));
  const wrong = problems(new Set(names), plugin, version);
  if (names.includes('README.md')) wrong.push(...readmeProblems(readFileSync(path.join(DIST, 'README.md'), 'utf8')));
  if (wrong.length > 0)
    fail(
      `dist/ is no release:\n${wrong.map((one) => `  ${one}`).join('\n')}\nRun \`make package\` without --pack-only.`,
    );

  const entries = names.map((name): ZipEntry => {
    const executable = name.startsWith(`${plugin.executable}_`);
    if (executable) chmodSync(path.join(DIST, name), 0o755);
    return { name: `${plugin.id}/${name}`, content: readFileSync(path.join(DIST, name)), executable };
  });
  const archive = zip(entries);
  const target = path.join(OUT, `${plugin.id}-${version}.zip`);
  mkdirSync(OUT, { recursive: true });
  writeFileSync(target, archive);
  for (const algorithm of CHECKSUMS) {
    const sum = createHash(algorithm).update(archive).digest('hex');
    // The form that md5sum, sha1sum and sha256sum check with -c.
    writeFileSync(`${target}.${algorithm}`, `${sum}  ${path.basename(target)}\n`);
  }
  const signed = names.includes('MANIFEST.txt')
    ? 'signed'
    : 'unsigned: Grafana loads it with allow_loading_unsigned_plugins';
  console.log(`${target}: ${entries.length} files, ${(archive.length / 2 ** 20).toFixed(1)} MiB (${signed})`);
}

if (!process.argv.includes('--pack-only')) build();
pack();
