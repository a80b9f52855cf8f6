import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { markdownTable } from '../../tools/text.ts';
import { mutate, MUTATIONS } from './list.ts';

/*
 * Does the suite notice (`make mutations`)? Each promise of ingest is broken in a copy of the source, one at a time, and the tests run on that:
 * first the models, then the real servers. A mutation that no test fails for is a hole in the suite.
 */

const SHARED = ['node_modules'];
const COPIED = [
  'contract',
  'backend',
  // Its program is built where workers are tested.
  'leases',
  'tests',
  'tools',
  'bench',
  'provisioning',
  'src',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];

/** Tests in the order in which they are asked, the quick ones first; `bail`: up to the first that fails. */
const SUITES: readonly { readonly name: string; readonly bail: boolean; readonly arguments: readonly string[] }[] = [
  {
    name: 'unit',
    bail: false,
    arguments: [
      '--project',
      'unit',
      'backend/src/ingest/',
      'backend/src/checkpoint/',
      'backend/src/archive/',
      'backend/src/influx/',
      'backend/src/memory/',
    ],
  },
  { name: 'faults', bail: true, arguments: ['--project', 'faults'] },
];

const vitestReport = z.object({
  testResults: z.array(z.object({ assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })) })),
});

/** Each mutation only until a test notices it, in a third of the time. */
const FIRST = '--first';

/** @returns the names of the tests that failed; the first alone where it is to bail */
async function failures(folder: string, suite: (typeof SUITES)[number], bail: boolean): Promise<string[]> {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  await new Promise((resolve) => {
    spawn(
      join(folder, 'node_modules', '.bin', 'vitest'),
      ['run', ...suite.arguments, ...(bail ? ['--bail=1'] : []), '--reporter=json', `--outputFile.json=${report}`],
      // Where a promise is broken each seed waits half a minute for what never comes; two of them notice as much as all.
      { cwd: folder, stdio: 'ignore', env: { ...process.env, SIMULATION_SEEDS: '2' } },
    ).once('close', resolve);
  });
  const { testResults } = vitestReport.parse(JSON.parse(readFileSync(report, 'utf8')));
  return testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  );
}

/** Tests that fail anyway notice nothing. */
async function mustPass(folder: string): Promise<void> {
  execFileSync(process.execPath, ['--import', 'tsx', 'tools/build-backend.ts'], { cwd: folder, stdio: 'inherit' });
  for (const suite of SUITES) {
    const [first] = await failures(folder, suite, true);
    if (first !== undefined) throw new Error(`Without any mutation, ${suite.name} fails: ${first}`);
  }
}

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'userpulse-mutations-'));
  const onlyFirst = process.argv.includes(FIRST);
  const asked = process.argv.slice(2).filter((word) => word !== FIRST);
  const rows: string[][] = [];
  let survived = 0;
  try {
    for (const name of COPIED) cpSync(name, join(folder, name), { recursive: true });
    for (const name of SHARED) symlinkSync(join(process.cwd(), name), join(folder, name));
    if (asked.length === 0) await mustPass(folder);
    for (const mutation of MUTATIONS) {
      if (asked.length > 0 && !asked.some((word) => mutation.name.includes(word))) continue;
      const restore = mutate(folder, mutation);
      execFileSync(process.execPath, ['--import', 'tsx', 'tools/build-backend.ts'], { cwd: folder, stdio: 'inherit' });
      const caught: string[] = [];
      for (const suite of SUITES) {
        const [first, ...others] = await failures(folder, suite, suite.bail || onlyFirst);
        caught.push(
          first === undefined
            ? `${suite.name}: –`
            : `${suite.name}: "${first}"${others.length > 0 ? ` and ${others.length} more` : ''}`,
        );
        if (onlyFirst && first !== undefined) break;
      }
      restore();
      if (caught.every((text) => text.endsWith('–'))) survived++;
      rows.push([mutation.name, caught.join('; ')]);
      console.error(`${mutation.name}\n  ${caught.join('\n  ')}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(markdownTable(['broken on purpose', 'caught by'], rows, 2));
  console.log(`\n${rows.length - survived} of ${rows.length} mutations were caught.`);
  return survived === 0 ? 0 : 1;
}

process.exitCode = await main();
