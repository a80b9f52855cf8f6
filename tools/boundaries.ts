import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Rule } from 'eslint';

/*
 * Which folder may import which: the one list of it. ESLint checks it at every import (rule `userpulse/boundaries` of eslint.config.js);
 * boundaries.test.ts holds the table in docs/architecture.md equal to it, and shows that no files import each other in a circle.
 */

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Folders of backend/src → the folders there that each may import. All may import `contract/` and the files of backend/src itself (clock, errors,
 * retry and the like), which import nothing but each other. An entry names only ones above it, so there is no ring.
 */
export const BACKEND: Readonly<Record<string, readonly string[]>> = {
  memory: [],
  files: [],
  aws: [],
  event: [],
  schema: ['memory', 'event'],
  'config.ts': ['event'],
  flux: ['schema'],
  kinesis: ['memory', 'aws', 'event'],
  influx: ['schema', 'flux'],
  archive: ['memory', 'files', 'aws', 'event'],
  erasure: ['event', 'schema', 'archive'],
  checkpoint: ['files', 'aws', 'event', 'schema', 'archive'],
  ingest: ['memory', 'event', 'schema', 'kinesis', 'influx', 'archive', 'checkpoint'],
  rollup: ['event', 'schema', 'flux', 'influx'],
  query: ['event', 'schema', 'flux', 'influx', 'rollup'],
  produce: ['schema', 'kinesis'],
  table: ['files', 'event', 'archive'],
  replay: ['files', 'event', 'schema', 'influx', 'archive', 'table'],
  repair: ['event', 'schema', 'influx', 'archive', 'table', 'replay'],
  forget: ['files', 'event', 'schema', 'influx', 'archive', 'erasure', 'checkpoint', 'table', 'replay', 'repair'],
  'dead-letters': ['event', 'kinesis', 'archive'],
  checks: ['aws', 'schema', 'config.ts', 'flux', 'kinesis', 'influx', 'rollup', 'archive', 'checkpoint'],
  http: ['schema', 'query'],
  commands: ['*'],
  'main.ts': ['memory', 'config.ts', 'commands'],
};

/** The other folders → what each may import. `backend` is all of the backend. */
export const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  src: ['contract'],
  provisioning: ['contract', 'src/plugin.json'],
  host: ['contract', 'src'],
  tools: ['webpack.config.ts', 'vitest.config.ts'],
  bench: ['contract', 'backend', 'tools'],
  docs: ['tools', 'host'],
  'tests/support': ['contract', 'backend', 'tools'],
  'tests/integration': ['contract', 'backend', 'tools', 'host', 'tests/support'],
  'tests/faults': ['contract', 'backend', 'tools', 'tests/support'],
  'tests/chart': ['backend', 'tools'],
  'tests/mutations': ['tools'],
  'tests/e2e': ['contract', 'src', 'backend'],
  'tests/images': ['backend', 'tools', 'tests/support'],
  dev: ['tools', 'host', 'tests/e2e'],
};

/** What a test file, and a `testing` file that serves tests, may import besides. */
export const IN_TESTS = ['contract', 'backend', 'tests/support', 'tools/higgs.ts'] as const;

const isTest = (file: string): boolean => /\.test\.tsx?$|\/testing(\.ts$|\/)/.test(file);

/** Path of a file from the root → the entry that it belongs to, with the entries that may be imported. */
function entryOf(file: string): { readonly name: string; readonly imports: readonly string[] } | undefined {
  const inBackend = /^backend\/src\/([^/]+)(\/?)/.exec(file);
  if (inBackend !== null) {
    const [, first = '', folder] = inBackend;
    const imports = BACKEND[first];
    const base = ['contract', 'backend/src'];
    if (imports !== undefined) {
      return { name: `backend/src/${first}`, imports: [...base, ...imports.map((name) => `backend/src/${name}`)] };
    }
    return folder === '' ? { name: 'backend/src', imports: [...base, 'package.json'] } : undefined;
  }
  const name = Object.keys(OUTSIDE).find((folder) => file.startsWith(`${folder}/`));
  return name === undefined ? undefined : { name, imports: OUTSIDE[name] ?? [] };
}

/** Why a file may not import another; undefined where it may. Both are paths from the root. */
export function objection(from: string, to: string): string | undefined {
  const importer = entryOf(from);
  // Configuration of the tools themselves.
  if (importer === undefined && !from.includes('/')) return undefined;
  if (importer === undefined)
    return `${dirname(from)} is not listed in tools/boundaries.ts: say there what it may import.`;
  const imported = entryOf(to)?.name ?? to;
  const allowed = [importer.name, ...importer.imports, ...(isTest(from) ? IN_TESTS : [])];
  const may = allowed.some(
    (name) =>
      name === imported ||
      name === to ||
      (name === 'backend/src/*' && imported.startsWith('backend/src')) ||
      (name === 'backend' && to.startsWith('backend/')),
  );
  if (may) return undefined;
  const list = importer.imports.length === 0 ? 'nothing' : importer.imports.join(', ');
  return `${importer.name} may not import ${imported}, only ${list} (tools/boundaries.ts).`;
}

/** Checks every relative import, of values and of types, against the lists above. */
export const boundariesRule: Rule.RuleModule = {
  meta: { type: 'problem', schema: [{}], messages: { crossed: '{{objection}}' } },
  create: (context) => {
    const from = relative(ROOT, context.filename);
    const check = (node: Rule.Node, source: unknown): void => {
      if (typeof source !== 'string' || !source.startsWith('.')) return;
      const said = objection(from, relative(ROOT, resolve(dirname(context.filename), source)));
      if (said !== undefined) context.report({ node, messageId: 'crossed', data: { objection: said } });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration: (node) => check(node, node.source?.value),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ImportExpression: (node) => check(node, node.source.type === 'Literal' ? node.source.value : undefined),
    };
  },
};
