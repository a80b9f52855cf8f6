import { parseArgs } from 'node:util';
import { provenance } from './machine.ts';
import { PARTS, STUDIES } from './parts.ts';
import { writeReport } from './report.ts';
import { placesOf, saveResult } from './results.ts';

/** `make bench`: measures what is named (default: every part), keeps its results in artifacts/bench/ and writes docs/benchmarks.md, docs/studies.md. */
const ALL = { ...PARTS, ...STUDIES };
const USAGE = `usage: node --import tsx bench/run.ts [--quick] [--rounds N] [part or study …]

  --quick     everything once and small, in under three minutes, into artifacts/bench/quick/: shows that it works, measures nothing
  --rounds N  interleaved rounds of each measurement (default 5)

parts:   ${Object.keys(PARTS).join(', ')}
studies: ${Object.keys(STUDIES).join(', ')} (only when named)
`;

function options(): { quick: boolean; rounds: number; names: string[] } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help === true) throw new Error(USAGE);
  const rounds = values.rounds === undefined ? (values.quick ? 1 : 5) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds is ${values.rounds}: it must be 1 or more.`);
  const unknown = positionals.filter((name) => !(name in ALL));
  if (unknown.length > 0) throw new Error(`There is no part ${unknown.join(', ')}.\n\n${USAGE}`);
  return { quick: values.quick, rounds, names: positionals.length > 0 ? positionals : Object.keys(PARTS) };
}

async function main(): Promise<void> {
  const { quick, rounds, names } = options();
  const places = placesOf(quick);
  const from = provenance(new Date());
  for (const name of names) {
    const begun = performance.now();
    const say = (line: string): void => {
      const seconds = ((performance.now() - begun) / 1000).toFixed(0);
      process.stderr.write(`bench ${name} ${seconds.padStart(4)} s  ${line}\n`);
    };
    const part = await ALL[name as keyof typeof ALL]?.();
    if (part === undefined) continue;
    say(part.title);
    const result = await part.run({ quick, rounds, say, pictures: places.pictures });
    const seconds = (performance.now() - begun) / 1000;
    saveResult(places, { name, title: part.title, rounds, seconds, provenance: from, result });
    say('done');
    // After every part: what has been measured is not lost when a later part fails.
    await writeReport(places);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
