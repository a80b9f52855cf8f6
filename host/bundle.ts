import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';
import { z } from 'zod';

/** React and @grafana/* of the page: 18 with 13.1, 19 with 13.2. They break on different things. */
export const GENERATIONS = ['18', '19'] as const;
export type Generation = (typeof GENERATIONS)[number];
export type Mode = 'production' | 'development';

const HOST = dirname(fileURLToPath(import.meta.url));
const PAGE = join(HOST, 'page');
const exec = promisify(execFile);

const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
const text = async (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

const lockfile = z.object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) });

/** Whether node_modules holds what the lockfile says, by npm's own record of what it has put there. */
async function isInstalled(folder: string): Promise<boolean> {
  const [wanted, there] = await Promise.all(
    [join(folder, 'package-lock.json'), join(folder, 'node_modules', '.package-lock.json')].map(async (file) => {
      const content = await text(file);
      return content === '' ? undefined : lockfile.parse(JSON.parse(content)).packages;
    }),
  );
  if (!wanted || !there) return false;
  return Object.entries(there).every(([path, { version }]) => wanted[path]?.version === version);
}

/** Installs the generation's packages when its node_modules is not what its lockfile says. */
export async function installPackages(generation: Generation, signal?: AbortSignal): Promise<string> {
  const folder = join(HOST, `react${generation}`);
  if (!(await isInstalled(folder))) {
    await exec('npm', ['ci', '--no-progress', '--ignore-scripts'], {
      cwd: folder,
      maxBuffer: 64 * 1024 * 1024,
      ...(signal && { signal }),
    });
  }
  return folder;
}

/** Bare imports of the page mean the generation's packages, not the checkout's own. */
const packagesOf = (folder: string): Plugin => ({
  name: 'packages-of-generation',
  setup(builder) {
    builder.onResolve({ filter: /^[@a-z]/ }, async ({ path, kind, importer, pluginData }) => {
      if (pluginData === 'resolved') return undefined;
      const ask = (wanted: string) => builder.resolve(wanted, { kind, resolveDir: folder, pluginData: 'resolved' });
      // scenes means version 6 of the router, @grafana/ui version 5: the compat package gives both one context, as in Grafana.
      if (path === 'react-router-dom' && importer.includes('@grafana/scenes')) return ask('react-router-dom-v5-compat');
      return importer.startsWith(PAGE) ? ask(path) : undefined;
    });
  },
});

/** Modification time of the newest file below a folder, in ms since the epoch. */
export async function newestIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const times = files
    .filter((file) => file.isFile())
    .map(async (file) => (await stat(join(file.parentPath, file.name))).mtimeMs);
  return Math.max(...(await Promise.all(times)));
}

const FONT_WEIGHTS = [400, 500, 600] as const;
const GRAFANA_FONTS: Readonly<Record<number, string>> = { 400: 'Inter-Regular.woff2', 500: 'Inter-Medium.woff2' };
/** The monospaced font of code, by the name that Grafana's style sheet has for it. */
const GRAFANA_CODE_FONT = 'L0xTDF4xlVMF-BfR8bXMIhJHg45mwgGEFl0_3vrtSM1J-gEPT5Ese6hmHSh0mQ.woff2';
/** Icons that Grafana's own build adds and the package lacks, each drawn by a near relative here. */
const STAND_IN_ICONS = [
  ['unicons/spinner.svg', 'unicons/sync.svg'],
  ['unicons/sync-slash.svg', 'unicons/sync.svg'],
] as const;

/** The left one of a pair of arrows of which the package has the right one. */
async function mirror(right: string, left: string): Promise<void> {
  if (await exists(left)) return;
  const source = await readFile(right, 'utf8');
  await writeFile(left, source.replace('<path ', '<path transform="matrix(-1 0 0 1 24 0)" '));
}

/** The mark of a panel that streams. */
const CIRCLE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="7"/></svg>';

/** What Grafana serves beside its bundle: SystemJS, icons, Inter. */
async function copyAssets(packages: string, out: string): Promise<void> {
  const from = (path: string) => join(packages, 'node_modules', path);
  const icons = join(out, 'public', 'build', 'img', 'icons');
  await mkdir(join(out, 'build'), { recursive: true });
  await cp(from('@grafana/ui/dist/public/img/icons'), icons, { recursive: true });
  for (const [missing, relative] of STAND_IN_ICONS) {
    if (!(await exists(join(icons, missing)))) await cp(join(icons, relative), join(icons, missing));
  }
  await writeFile(join(icons, 'mono', 'circle-mono.svg'), CIRCLE);
  await mirror(join(icons, 'unicons/angle-double-right.svg'), join(icons, 'unicons/angle-double-left.svg'));
  for (const [name, path] of [
    ['system.js', 'systemjs/dist/system.min.js'],
    ['amd.js', 'systemjs/dist/extras/amd.min.js'],
    ['named-register.js', 'systemjs/dist/extras/named-register.min.js'],
  ] as const) {
    const source = await readFile(from(path), 'utf8');
    // Their source maps stay behind.
    await writeFile(join(out, 'build', name), source.replace(/^\/\/# sourceMappingURL=.*$/m, ''));
  }
  const faces: string[] = [];
  for (const weight of FONT_WEIGHTS) {
    const file = `inter-latin-${weight}-normal.woff2`;
    await cp(from(`@fontsource/inter/files/${file}`), join(out, 'build', file));
    // The names by which Grafana's own style sheet asks for two of them.
    const grafanaName = GRAFANA_FONTS[weight];
    if (grafanaName !== undefined) {
      await mkdir(join(out, 'public', 'fonts', 'inter'), { recursive: true });
      await cp(from(`@fontsource/inter/files/${file}`), join(out, 'public', 'fonts', 'inter', grafanaName));
    }
    faces.push(
      `@font-face{font-family:Inter;font-weight:${weight};font-display:block;src:url(/build/${file}) format("woff2")}`,
    );
  }
  await mkdir(join(out, 'public', 'fonts', 'roboto'), { recursive: true });
  await cp(
    from('@fontsource/roboto-mono/files/roboto-mono-latin-400-normal.woff2'),
    join(out, 'public', 'fonts', 'roboto', GRAFANA_CODE_FONT),
  );
  await writeFile(join(out, 'build', 'fonts.css'), faces.join('\n'));
  await cp(join(PAGE, 'index.html'), join(out, 'index.html'));
}

/**
 * Bundles the host page with the packages of one generation, when it is not yet or its sources are newer.
 * @returns the folder to serve at `/`
 */
export async function bundlePage(
  generation: Generation,
  mode: Mode = 'production',
  signal?: AbortSignal,
): Promise<string> {
  const packages = await installPackages(generation, signal);
  const out = join(packages, 'dist', mode);
  const marker = join(out, 'built');
  const builtAt = await stat(marker).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  const sources = [
    await newestIn(PAGE),
    (await stat(fileURLToPath(import.meta.url))).mtimeMs,
    (await stat(join(packages, 'package-lock.json'))).mtimeMs,
  ];
  if (builtAt > Math.max(...sources)) return out;
  const { version } = JSON.parse(
    await readFile(join(packages, 'node_modules', '@grafana', 'ui', 'package.json'), 'utf8'),
  ) as { version: string };
  await copyAssets(packages, out);
  await build({
    entryPoints: { boot: join(PAGE, 'boot.ts'), app: join(PAGE, 'app.css') },
    outdir: join(out, 'build'),
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    minify: mode === 'production',
    sourcemap: mode === 'development',
    loader: { '.ttf': 'file', '.svg': 'dataurl' },
    define: {
      'process.env.NODE_ENV': JSON.stringify(mode),
      HOST_GRAFANA_VERSION: JSON.stringify(version),
      HOST_MODE: JSON.stringify(mode),
      global: 'window',
      // SystemJS brings a global `define`; a library that sees it would register itself there and leave its exports empty.
      define: 'undefined',
    },
    // Grafana's packages read a few more of these; none is set in a browser.
    banner: { js: 'globalThis.process??={env:{}};' },
    plugins: [packagesOf(packages)],
    logLevel: 'error',
  });
  await writeFile(marker, '');
  return out;
}
