import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { cacheRoot } from '../../tools/parts/go-tool.ts';
import { readDockerfile, type Stage } from './dockerfile.ts';

/**
 * Does what a Dockerfile says without a container engine: every stage in an empty folder of its own that stands for the root of its image,
 * with exactly the files that its COPY steps name. Base images are taken as given: Node, Go and a shell are this machine's, and what a
 * base image holds besides is not there.
 */
export interface RehearsedImage {
  /** Folder that stands for `/`. */
  readonly root: string;
  /** Working directory of its processes, an absolute path of this machine. */
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly exposed: readonly number[];
  /** Image that the last stage is built on. */
  readonly base: string;
}

/** Commands that only an image's own root can run, and that change no file the build needs. Each stands in as a program that does nothing. */
const SKIPPED = ['apk', 'apt-get', 'chown', 'useradd', 'groupadd'];

/** What a RUN step may see of this machine: its programs, its registries, its download caches. */
const PASSED_ON =
  /^(PATH|HOME|TMPDIR|GO[A-Z0-9]+|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|npm_config_(registry|cache|userconfig))$/;

/** Steps whose result depends on the files before them alone (a lockfile names every package with its hash): kept, as Docker keeps a layer. */
const KEPT = /(^|&& )npm (ci|install) /;
const KEEP_MS = 24 * 3_600_000;

interface Built {
  readonly root: string;
  workdir: string;
  env: Record<string, string>;
}

export interface RehearsalOptions {
  /** The checkout: root of the build context. */
  readonly checkout: string;
  /** Files of the build context, relative to the checkout. */
  readonly context: readonly string[];
  /** Empty folder for the images. */
  readonly folder: string;
}

/** @throws Error naming the Dockerfile's line, what it did and what came of it */
export async function rehearse(text: string, options: RehearsalOptions): Promise<RehearsedImage> {
  const stages = readDockerfile(text);
  const built = new Map<string, Built>();
  let last: { stage: Stage; image: Built } | undefined;
  for (const [index, stage] of stages.entries()) {
    const root = join(options.folder, `${index}-${stage.name}`);
    const base = built.get(stage.base);
    mkdirSync(root, { recursive: true });
    if (base !== undefined) cpSync(base.root, root, { recursive: true, verbatimSymlinks: true });
    const image: Built = { root, workdir: base?.workdir ?? '/', env: { ...base?.env } };
    for (const step of stage.steps) {
      try {
        if (step.kind === 'env') Object.assign(image.env, step.values);
        else if (step.kind === 'workdir') {
          image.workdir = join('/', step.path.startsWith('/') ? '' : image.workdir, step.path);
          mkdirSync(inside(image), { recursive: true });
        } else if (step.kind === 'copy') await copy(step.sources, step.to, image, step.from, built, options);
        else await runStep(step.command, image);
      } catch (error) {
        throw new Error(`line ${step.line}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
    }
    built.set(stage.name, image);
    last = { stage, image };
  }
  if (last === undefined) throw new Error('The Dockerfile has no stage.');
  const { stage, image } = last;
  return {
    root: image.root,
    workdir: inside(image),
    env: Object.fromEntries(Object.entries(image.env).map(([name, value]) => [name, rooted(value, image.root)])),
    entrypoint: stage.entrypoint ?? [],
    cmd: stage.cmd ?? [],
    exposed: stage.exposed,
    base: stage.base,
  };
}

const inside = (image: Built, path = image.workdir): string =>
  join(image.root, path.startsWith('/') ? path : join(image.workdir, path));

/** Absolute paths of the image as paths of this machine. */
export const rooted = (text: string, root: string): string =>
  text.replace(/(^|[\s"'=(]|file:\/\/)\/(?=\w)/g, `$1${root}/`);

async function copy(
  sources: readonly string[],
  to: string,
  image: Built,
  from: string | undefined,
  built: ReadonlyMap<string, Built>,
  options: RehearsalOptions,
): Promise<void> {
  const target = inside(image, to);
  const intoFolder = to.endsWith('/') || sources.length > 1 || (existsSync(target) && statSync(target).isDirectory());
  for (const source of sources) {
    if (from === undefined) copyFromContext(source, target, intoFolder, options);
    else await copyFromStage(source, target, intoFolder, from, built);
  }
}

function copyFromContext(source: string, target: string, intoFolder: boolean, options: RehearsalOptions): void {
  const prefix = source === '.' ? '' : `${source.replace(/^\.\//, '').replace(/\/$/, '')}/`;
  const file = prefix.slice(0, -1);
  if (options.context.includes(file)) {
    put(join(options.checkout, file), intoFolder ? join(target, basename(file)) : target);
    return;
  }
  const files = options.context.filter((name) => name.startsWith(prefix));
  if (files.length === 0)
    throw new Error(`COPY ${source}: the build context has no such file (untracked, or excluded by .dockerignore).`);
  // As Docker does: of a folder its content is copied, not the folder.
  for (const name of files) put(join(options.checkout, name), join(target, name.slice(prefix.length)));
}

async function copyFromStage(
  source: string,
  target: string,
  intoFolder: boolean,
  from: string,
  built: ReadonlyMap<string, Built>,
): Promise<void> {
  const stage = built.get(from);
  if (stage === undefined) throw new Error(`COPY --from=${from}: no stage before it has that name.`);
  const path = inside(stage, source);
  const found = source.includes('*') ? matches(path) : existsSync(path) ? [path] : [];
  if (found.length === 0) throw new Error(`COPY --from=${from} ${source}: that stage has not made it.`);
  for (const one of found) {
    if (statSync(one).isDirectory()) {
      mkdirSync(target, { recursive: true });
      await duplicate(`${one}/.`, `${target}/`);
    } else put(one, intoFolder ? join(target, basename(one)) : target);
  }
}

/** `*` in the last part of the path, which is all that our Dockerfiles use. */
function matches(path: string): string[] {
  const pattern = new RegExp(
    `^${basename(path)
      .split('*')
      .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
  );
  const folder = dirname(path);
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => pattern.test(name))
        .map((name) => join(folder, name))
    : [];
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { verbatimSymlinks: true });
}

async function runStep(command: string, image: Built): Promise<void> {
  if (!KEPT.test(command)) {
    await shell(command, image);
    return;
  }
  const layers = join(cacheRoot(), 'image-layers');
  const layer = join(layers, layerKey(command, image));
  if (!existsSync(layer)) {
    await shell(command, image);
    const unfinished = `${layer}.${process.pid}`;
    mkdirSync(layers, { recursive: true });
    await duplicate(image.root, unfinished);
    // Another run may have kept the same layer meanwhile.
    if (existsSync(layer)) rmSync(unfinished, { recursive: true, force: true });
    else renameSync(unfinished, layer);
  } else {
    utimesSync(layer, new Date(), new Date());
    const before = `${image.root}-before`;
    renameSync(image.root, before);
    await duplicate(layer, image.root);
    // What was copied in stays as it is now: the layer may come from a package.json with other scripts.
    await run('cp', ['-a', '--remove-destination', `${before}/.`, image.root], { cwd: before, env: process.env });
    rmSync(before, { recursive: true, force: true });
  }
}

/** Copies a folder by links where it can: nothing that a later step does changes a file of these in place. */
async function duplicate(from: string, to: string): Promise<void> {
  const here = { cwd: dirname(to), env: process.env };
  await run('cp', ['-al', from, to], here).catch(async () => {
    await run('cp', ['-a', '--remove-destination', from, to], here);
  });
}

function layerKey(command: string, image: Built): string {
  const hash = createHash('sha256').update(JSON.stringify([command, image.workdir, image.env, process.version]));
  for (const file of readdirSync(image.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()) {
    hash.update(`\0${relative(image.root, file)}\0`);
    const content = readFileSync(file);
    if (basename(file) !== 'package.json') hash.update(content);
    else {
      // Packages do not depend on the rest of it: a new script is no reason to fetch them all again.
      const { dependencies, devDependencies, overrides } = JSON.parse(content.toString()) as Record<string, unknown>;
      hash.update(JSON.stringify([dependencies, devDependencies, overrides]));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

/** Removes layers that no run has used for a day. */
export function forgetOldLayers(): void {
  const layers = join(cacheRoot(), 'image-layers');
  if (!existsSync(layers)) return;
  for (const name of readdirSync(layers)) {
    const layer = join(layers, name);
    if (Date.now() - statSync(layer).mtimeMs > KEEP_MS) rmSync(layer, { recursive: true, force: true });
  }
}

async function shell(command: string, image: Built): Promise<void> {
  const bin = mkdtempSync(join(tmpdir(), 'userpulse-fake-bin-'));
  try {
    for (const name of SKIPPED) {
      writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} is left to the image's root: $*"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const machine = Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)));
    await run('sh', ['-ec', rooted(command, image.root)], {
      cwd: inside(image),
      env: { ...machine, ...image.env, PATH: `${bin}:${machine['PATH'] ?? ''}` },
    });
  } finally {
    rmSync(bin, { recursive: true, force: true });
  }
}

/** @throws Error with the end of what the program said */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly input?: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-100_000));
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(said);
      else
        reject(
          new Error(
            `${[command, ...args].join(' ')} ended with ${signal ?? `exit code ${code ?? '?'}`}:\n${tail(said)}`,
          ),
        );
    });
  });
}

const tail = (text: string): string => text.trimEnd().split('\n').slice(-25).join('\n');
