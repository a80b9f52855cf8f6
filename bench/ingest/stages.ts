import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { z } from 'zod';

/** What ingest spends its time on, as the issue of the benchmarks names it, and what belongs to no stage. */
export const STAGES = ['read', 'decode', 'encode', 'gzip', 'write', 'garbage collection', 'other'] as const;
export type Stage = (typeof STAGES)[number];

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({
        functionName: z.string(),
        url: z.string(),
        lineNumber: z.number(),
        columnNumber: z.number(),
      }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
  startTime: z.number(),
});

/** A function of a profile, with the time (µs) that was spent in it itself. */
export interface ProfileNode {
  readonly name: string;
  /** Source file: below backend/src, a package's name, or `node:…`. */
  readonly file: string;
  readonly children: ProfileNode[];
  selfMicros: number;
}

/**
 * A profile of V8 as a tree with its own sources' names.
 * @param fromMicros samples before are left out: starting up
 */
export function readProfile(path: string, bundleMap: string, fromMicros: number): ProfileNode {
  const profile = profileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const map = new SourceMap(JSON.parse(readFileSync(bundleMap, 'utf8')) as SourceMapPayload);
  const nodes = new Map<number, ProfileNode>();
  for (const { id, callFrame } of profile.nodes) {
    const { url, lineNumber, columnNumber } = callFrame;
    let file = url;
    if (url.endsWith('/backend/dist/main.js')) {
      const entry = map.findEntry(lineNumber, columnNumber);
      file = 'originalSource' in entry ? entry.originalSource.replace(/^.*\bsrc\//, '') : 'main.js';
    } else if (url.includes('/node_modules/')) {
      file = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url;
    }
    nodes.set(id, { name: callFrame.functionName || '(anonymous)', file, children: [], selfMicros: 0 });
  }
  for (const { id, children } of profile.nodes) {
    const node = nodes.get(id);
    for (const child of children ?? []) {
      const found = nodes.get(child);
      // Loading modules is no stage, wherever in the run it falls.
      if (found !== undefined && !found.file.startsWith('node:internal/modules/')) node?.children.push(found);
    }
  }
  let atMicros = 0;
  profile.samples.forEach((id, n) => {
    const delta = Math.max(0, profile.timeDeltas[n] ?? 0);
    atMicros += delta;
    const node = nodes.get(id);
    if (node !== undefined && atMicros >= fromMicros) node.selfMicros += delta;
  });
  const root = nodes.get(profile.nodes[0]?.id ?? -1);
  if (root === undefined) throw new Error(`${path} is an empty profile.`);
  return root;
}

const IDLE = new Set(['(idle)', '(root)', '(program)']);

/** Files and folders below backend/src; the first that fits a file decides. A test holds that each is there. */
export const SOURCES: readonly (readonly [path: string, stage: Stage])[] = [
  ['archive/gzip-lines.ts', 'gzip'],
  ['ingest/segment.ts', 'gzip'],
  ['ingest/written-records.ts', 'gzip'],
  ['ingest/shard-archive.ts', 'gzip'],
  ['ingest/batch.ts', 'encode'],
  ['ingest/batcher.ts', 'encode'],
  ['ingest/allocate.ts', 'encode'],
  ['ingest/shard-reader.ts', 'read'],
  ['ingest/shard.ts', 'read'],
  ['kinesis/', 'read'],
  ['event/', 'decode'],
  ['schema/', 'encode'],
  ['archive/', 'write'],
  ['influx/', 'write'],
];

/** Packages and Node's own modules, likewise. */
const OTHERS: readonly (readonly [file: RegExp, stage: Stage])[] = [
  [/^node:zlib/, 'gzip'],
  [/^(undici$|@aws-sdk\/client-s3|@aws-sdk\/lib-storage)/, 'write'],
  [/^(@aws-sdk\/|@smithy\/|node:_http_|node:http|node:internal\/http)/, 'read'],
];

/** The stage that a function belongs to, by its file; undefined: that of its caller. */
function stageOf({ file, name }: ProfileNode): Stage | undefined {
  if (name === '(garbage collector)') return 'garbage collection';
  const own = SOURCES.find(([path]) => file.startsWith(path));
  return (own ?? OTHERS.find(([pattern]) => pattern.test(file)))?.[1];
}

/** Share of each stage in the time that the thread was busy; they sum to 1. */
export function stageShares(root: ProfileNode): Readonly<Record<Stage, number>> {
  const sums = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  const walk = (node: ProfileNode, inherited: Stage): void => {
    const stage = stageOf(node) ?? inherited;
    if (!IDLE.has(node.name)) sums[stage] += node.selfMicros;
    for (const child of node.children) walk(child, stage);
  };
  walk(root, 'other');
  const total = STAGES.reduce((sum, stage) => sum + sums[stage], 0);
  return Object.fromEntries(STAGES.map((stage) => [stage, sums[stage] / total])) as Record<Stage, number>;
}
