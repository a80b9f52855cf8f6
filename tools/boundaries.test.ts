import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { BACKEND, objection, OUTSIDE, ROOT } from './boundaries.ts';

const SOURCE = /\.(tsx?|mts|mjs)$/;

/** Paths of all source files below a folder, from the root. */
const sources = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(node_modules|dist)$/.test(entry.name) ? [] : sources(path);
    return SOURCE.test(path) ? [path] : [];
  });

/** What a file imports by path, types included: paths from the root, as they are written. */
const importsOf = (file: string): string[] =>
  ts
    .preProcessFile(readFileSync(join(ROOT, file), 'utf8'), true, true)
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => join(dirname(file), fileName));

/** File → the files of the same folder that it imports. */
function graphOf(folder: string): Map<string, string[]> {
  const files = new Set(sources(folder));
  const found = (path: string): string[] =>
    [path, `${path}.ts`, `${path}.tsx`, join(path, 'index.ts'), join(path, 'index.tsx')].filter((each) =>
      files.has(each),
    );
  return new Map([...files].map((file) => [file, importsOf(file).flatMap(found)]));
}

/** Files that import each other in a circle, the first one again at the end; undefined where there is no circle. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const clear = new Set<string>();
  const walk = (file: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (clear.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const circle = walk(next, [...way, file]);
      if (circle !== undefined) return circle;
    }
    clear.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = walk(file, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

describe('boundaries', () => {
  it.each([...Object.keys(OUTSIDE), 'backend/src'])('no files of %s import each other in a circle', (folder) => {
    const graph = existsSync(join(ROOT, folder)) ? graphOf(folder) : new Map<string, string[]>();
    expect(circleIn(graph)).toBeUndefined();
  });

  it('name only entries further up, so that folders cannot form a ring', () => {
    for (const list of [BACKEND, OUTSIDE]) {
      const names = Object.keys(list);
      for (const [n, [name, imports]] of Object.entries(list).entries()) {
        const wrong = imports.filter((each) => names.indexOf(each) >= n);
        expect(wrong, `${name} may not import what stands below it`).toEqual([]);
      }
    }
  });

  it('list every folder of the backend, and nothing that is not there', () => {
    const folders = readdirSync(join(ROOT, 'backend/src'), { withFileTypes: true }).filter((e) => e.isDirectory());
    const listed = Object.keys(BACKEND).filter((name) => !name.endsWith('.ts'));
    expect(listed.sort()).toEqual(folders.map(({ name }) => name).sort());
  });

  it('object to an import against the direction, and says what is allowed', () => {
    expect(objection('backend/src/flux/translate.ts', 'backend/src/query/plan.ts')).toBe(
      'backend/src/flux may not import backend/src/query, only contract, backend/src, backend/src/schema (tools/boundaries.ts).',
    );
    expect(objection('src/labels.ts', 'backend/src/schema/buckets.ts')).toContain(
      'src may not import backend/src/schema',
    );
    expect(objection('backend/src/clock.ts', 'backend/src/event/event.ts')).toContain('backend/src may not import');
    expect(objection('backend/src/new/file.ts', 'backend/src/clock.ts')).toContain('is not listed');
    expect(objection('backend/src/flux/translate.ts', 'backend/src/errors.ts')).toBeUndefined();
    expect(objection('backend/src/commands/serve.ts', 'backend/src/http/server.ts')).toBeUndefined();
    expect(objection('tools/demo.ts', 'host/serve.ts')).toContain('tools may not import host');
  });

  it('are kept by the specs for Grafana too, which ESLint does not read', () => {
    const objections = sources('tests/e2e').flatMap((file) => importsOf(file).map((path) => objection(file, path)));
    expect(objections.filter((each) => each !== undefined)).toEqual([]);
  });

  it('are the table in docs/architecture.md', () => {
    const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
    const rows = page.split('\n').flatMap((line) => {
      const [, folder, , imports] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
      const name = /^`(?:backend\/src\/)?([\w./-]+?)\/?`/.exec(folder ?? '')?.[1];
      if (name === undefined || imports === undefined) return [];
      const listed = [...imports.matchAll(/`([\w./-]+?)\/?`/g)].map(([, each = '']) => each);
      return [[name, imports === 'all' ? ['*'] : listed] as const];
    });
    expect(Object.fromEntries(rows)).toEqual({ ...BACKEND, ...OUTSIDE });
  });
});
