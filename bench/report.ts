import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { renderChart } from '../tools/chart.ts';
import { markdownTable } from '../tools/text.ts';
import { PARTS, STUDIES } from './parts.ts';
import { loadResults, placesOf, type Places, type StoredResult } from './results.ts';

const PAGES = [
  {
    file: 'benchmarks.md',
    parts: PARTS,
    head: `# Benchmarks

What Userpulse costs, compared with its peers and with physical limits. \`make bench\` measures all of it and writes this page. \`make bench PARTS="ingest"\` measures only these parts and keeps the others. Simpler designs and other stores are compared in the [studies](studies.md).

Milliseconds and CPU seconds are those of the machine below, and machines differ: on 2026-11-27 one with two cores took 21.1 CPU seconds for a million events, and a day later one of 2.0 GHz took 49 with the same program (commit 3f07d34). Ratios within a page differ much less.`,
  },
  {
    file: 'studies.md',
    parts: STUDIES,
    head: `# Studies

The measurements behind design decisions. A study runs only when it is named: \`make bench PARTS="${Object.keys(STUDIES).join(' ')}"\`. What Userpulse costs today is in the [benchmarks](benchmarks.md).`,
  },
] as const;

/** The pages in docs/ and their plots, from what has been measured: `node --import tsx bench/report.ts [--quick]` */
export async function writeReport(places: Places): Promise<void> {
  for (const { file, parts, head } of PAGES) {
    const results = loadResults(places, Object.keys(parts));
    if (results.length === 0) continue;
    for (const { result } of results) {
      for (const plot of result.plots) writeFileSync(join(places.pictures, plot.file), renderChart(plot));
    }
    const path = join(places.pages, file);
    const text = await format(document(head, results, places), { ...(await resolveConfig(path)), parser: 'markdown' });
    writeFileSync(path, text);
    process.stderr.write(`bench: ${relative(process.cwd(), path)} is written.\n`);
  }
}

function document(head: string, results: readonly StoredResult[], places: Places): string {
  const runs = new Map(results.map(({ provenance }) => [provenance.run, provenance]));
  const oneRun = runs.size === 1;
  const [provenance] = runs.values();
  if (provenance === undefined) throw new Error('Nothing has been measured.');
  const targets = results.flatMap(({ name, result }) =>
    result.targets.map((target) => [
      `[${name}](#${name})`,
      target.figure,
      target.target,
      target.measured,
      target.met ? 'yes' : `**no**${target.why === undefined ? '' : `: ${target.why}`}`,
    ]),
  );
  const summary = results.flatMap(({ name, result }) =>
    (result.summary ?? []).map(({ question, answer, beside }) => [`[${question}](#${name})`, answer, beside]),
  );
  return [
    head,
    oneRun ? 'All figures on this page come from one run.' : 'The parts come from different runs; each says which.',
    markdownTable(
      ['', ''],
      [
        ['machine', `${provenance.cpu}, ${provenance.cores} cores, ${provenance.memoryGiB} GiB, ${provenance.kernel}`],
        ['versions', `Node ${provenance.node}, ${provenance.go}; Userpulse at commit ${provenance.commit}`],
        ['run', provenance.run],
        ['figures', 'median (least–greatest) of interleaved rounds; CPU seconds are user + system of whole processes'],
      ],
    ),
    ...(summary.length === 0 ? [] : ['## In short', markdownTable(['what', 'Userpulse', 'beside it'], summary)]),
    ...(targets.length === 0
      ? []
      : ['## Targets', markdownTable(['part', 'figure', 'target', 'measured', 'met'], targets)]),
    ...results.flatMap((result) => section(result, places, oneRun)),
    '',
  ].join('\n\n');
}

function section(stored: StoredResult, places: Places, oneRun: boolean): string[] {
  const { name, title, result, provenance, rounds, seconds } = stored;
  const when = oneRun ? '' : ` Run ${provenance.run}, commit ${provenance.commit}.`;
  return [
    `<a id="${name}"></a>`,
    `## ${title}`,
    `\`make bench PARTS=${name}\` — ${rounds} rounds, ${Math.round(seconds / 60)} min.${when}`,
    ...(result.method === undefined ? [] : [result.method]),
    ...result.tables.flatMap((each) => [`### ${each.title}`, each.note, markdownTable(each.columns, each.rows)]),
    ...result.plots.map((plot) => `![${plot.title}](${places.picturesLink}/${plot.file})`),
    ...(result.pictures ?? []).flatMap(({ file, caption }) => [caption, `![${file}](${places.picturesLink}/${file})`]),
  ];
}

if (process.argv[1] === import.meta.filename) await writeReport(placesOf(process.argv.includes('--quick')));
