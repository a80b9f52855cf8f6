import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { provenanceSchema } from './machine.ts';
import type { PartResult } from './part.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where results and their reports go. A run in miniature never touches what is published. */
export interface Places {
  readonly results: string;
  /** Folder of the pages that report them. */
  readonly pages: string;
  readonly pictures: string;
  /** From a page to the pictures. */
  readonly picturesLink: string;
}

export function placesOf(quick: boolean): Places {
  const results = join(ROOT, 'artifacts/bench', quick ? 'quick' : 'full');
  const places = quick
    ? { results, pages: results, pictures: join(results, 'img'), picturesLink: 'img' }
    : {
        results,
        pages: join(ROOT, 'docs'),
        pictures: join(ROOT, 'docs/img/bench'),
        picturesLink: 'img/bench',
      };
  mkdirSync(places.results, { recursive: true });
  mkdirSync(places.pictures, { recursive: true });
  return places;
}

const axis = z.object({ label: z.string(), log: z.boolean().exactOptional() });
const stored = z.object({
  name: z.string(),
  title: z.string(),
  rounds: z.number(),
  seconds: z.number(),
  provenance: provenanceSchema,
  result: z.object({
    method: z.string().exactOptional(),
    pictures: z.array(z.object({ file: z.string(), caption: z.string() })).exactOptional(),
    tables: z.array(
      z.object({
        title: z.string(),
        note: z.string(),
        columns: z.array(z.string()),
        rows: z.array(z.array(z.string())),
      }),
    ),
    plots: z.array(
      z.object({
        file: z.string(),
        title: z.string(),
        x: axis,
        y: axis,
        series: z.array(z.object({ name: z.string(), points: z.array(z.tuple([z.number(), z.number()])) })),
      }),
    ),
    targets: z.array(
      z.object({
        figure: z.string(),
        target: z.string(),
        measured: z.string(),
        met: z.boolean(),
        why: z.string().exactOptional(),
      }),
    ),
    summary: z.array(z.object({ question: z.string(), answer: z.string(), beside: z.string() })).exactOptional(),
  }),
});
/** A part's result as it is kept between runs. */
export type StoredResult = z.infer<typeof stored>;

export function saveResult(
  places: Places,
  result: Omit<StoredResult, 'result'> & { readonly result: PartResult },
): void {
  writeFileSync(join(places.results, `${result.name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** What has been measured, in the order of `names`; others are left out. */
export function loadResults(places: Places, names: readonly string[]): StoredResult[] {
  const files = new Set(readdirSync(places.results));
  return names
    .filter((name) => files.has(`${name}.json`))
    .map((name) => stored.parse(JSON.parse(readFileSync(join(places.results, `${name}.json`), 'utf8'))));
}
