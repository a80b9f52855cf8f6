import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { PARTS } from './parts.ts';
import { renderPlot } from './plot.ts';
import { loadResults, placesOf, type Places, type StoredResult } from './results.ts';

/** docs/benchmarks.md and its plots, from what has been measured: `node --import tsx bench/report.ts [--quick]` */
export async function writeReport(places: Places): Promise<void> {
  const results = loadResults(places, Object.keys(PARTS));
  for (const { result } of results) {
    for (const plot of result.plots) writeFileSync(join(places.pictures, plot.file), renderPlot(plot));
  }
  const options = await resolveConfig(places.report);
  const text = await format(document(results, places), { ...options, parser: 'markdown' });
  writeFileSync(places.report, text);
  process.stderr.write(`bench: ${relative(process.cwd(), places.report)} is written.\n`);
}

function document(results: readonly StoredResult[], places: Places): string {
  const [first] = results;
  if (first === undefined) return '# Benchmarks\n\nNothing has been measured yet: `make bench`.\n';
  const { provenance } = first;
  const oneRun = results.every((result) => result.provenance.run === provenance.run);
  return [
    '# Benchmarks',
    'What Userpulse costs, compared with its peers, with simpler designs, and with physical limits. `make bench` measures all of it and writes this page. `make bench PARTS="ingest"` ' +
      `measures only these parts and keeps the others. ${oneRun ? 'All figures on this page come from one run.' : 'The parts come from different runs; each says which.'}`,
    table(
      ['', ''],
      [
        ['machine', `${provenance.cpu}, ${provenance.cores} cores, ${provenance.memoryGiB} GiB, ${provenance.kernel}`],
        ['versions', `Node ${provenance.node}, ${provenance.go}; Userpulse at commit ${provenance.commit}`],
        ['run', provenance.run],
        ['figures', 'median (least–greatest) of interleaved rounds; CPU seconds are user + system of whole processes'],
      ],
    ),
    '## Targets',
    table(
      ['part', 'figure', 'target', 'measured', 'met'],
      results.flatMap(({ name, result }) =>
        result.targets.map((target) => [
          `[${name}](#${name})`,
          target.figure,
          target.target,
          target.measured,
          target.met ? 'yes' : `**no**${target.why === undefined ? '' : `: ${target.why}`}`,
        ]),
      ),
    ),
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
    ...result.tables.flatMap((each) => [`### ${each.title}`, each.note, table(each.columns, each.rows)]),
    ...result.plots.map((plot) => `![${plot.title}](${places.picturesLink}/${plot.file})`),
    ...(result.pictures ?? []).flatMap(({ file, caption }) => [caption, `![${file}](${places.picturesLink}/${file})`]),
  ];
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

if (process.argv[1] === import.meta.filename) await writeReport(placesOf(process.argv.includes('--quick')));
