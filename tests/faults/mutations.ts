import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { markdown } from './ledger.ts';

/**
 * Does the suite notice (`make mutations`)? Each promise of ingest is broken in a copy of the source, one at a time, and the tests run on that:
 * first the models, then the real servers. A mutation that no test fails for is a hole in the suite.
 */
interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Texts of the file, each of which occurs exactly once, and what they become. */
  readonly edits: readonly (readonly [from: string, to: string])[];
}

const INGEST = 'backend/src/ingest';
const RECORD_RANGE = `    if (kind === 'new') await cell.update((checkpoint) => withSealed(checkpoint, segment.range()));\n`;
const ADVANCING = `    this.#mode = 'advancing';\n`;
const SETTLE = `    batch.settle();\n    onSettled();\n`;
const WRITE = `    const notice = await batch.write(sink, metrics, signal);\n`;

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'checkpoint order: the checkpoint passes a range before its objects are written',
    file: `${INGEST}/shard-archive.ts`,
    edits: [
      [
        `    this.#mode = 'writing';\n`,
        `    await cell.update((checkpoint) =>
      withDurable(checkpoint, { completeToMs: this.#o.completeToMs(false, segment.lastArrivalMs), warmFrom }),
    );\n`,
      ],
      [ADVANCING, `    this.#o.budget.release(segment.held);\n    if (cell.value.sealed === null) return;\n`],
    ],
  },
  {
    name: 'checkpoint order: objects are written before their range is recorded',
    file: `${INGEST}/shard-archive.ts`,
    edits: [
      [RECORD_RANGE, ''],
      [ADVANCING, `${RECORD_RANGE}${ADVANCING}`],
    ],
  },
  {
    name: 'checkpoint order: records go on before InfluxDB has answered',
    file: `${INGEST}/batcher.ts`,
    edits: [
      [SETTLE, ''],
      [WRITE, `${SETTLE}${WRITE}`],
    ],
  },
  {
    name: 'point identity: the millisecond alone is the time of a point',
    file: 'backend/src/schema/points.ts',
    edits: [[`String(slot).padStart(6, '0')`, `String(slot * 0).padStart(6, '0')`]],
  },
  {
    name: 'point identity: events that want the same place overwrite each other',
    file: `${INGEST}/place-events.ts`,
    edits: [[`observer.point(item, point, slot, collided);`, `observer.point(item, point, identity.slot, collided);`]],
  },
  {
    name: 'point identity: a move is not noted',
    file: `${INGEST}/place-events.ts`,
    edits: [[`if (move !== undefined) observer.move(move);`, ``]],
  },
  {
    name: 'null iterator: records that come with no next iterator are dropped',
    file: `${INGEST}/stream-source.ts`,
    edits: [[`(page.Records ?? []).map(`, `(page.NextShardIterator == null ? [] : (page.Records ?? [])).map(`]],
  },
  {
    name: 'object naming: a key ends in a random number',
    file: 'backend/src/sinks/archive-keys.ts',
    edits: [[`\${range.last}\${EXTENSION}`, `\${range.last}-\${Math.random()}\${EXTENSION}`]],
  },
  {
    name: 'object naming: the day is taken from the clock',
    file: `${INGEST}/segment.ts`,
    edits: [[`dayOf(item.occurredAtMs)`, `dayOf(Date.now())`]],
  },
  {
    name: 'shards: a child is read before its parent is finished, and its parent not at all',
    file: `${INGEST}/shard-order.ts`,
    edits: [
      [
        `if (own !== 'unread') continue;`,
        `if (own !== 'unread' || listed.some((s) => s.parents.includes(shard.shardId))) continue;`,
      ],
      [`state === 'done' ||`, `state !== 'reading' ||`],
    ],
  },
  {
    name: 'sinks: all lines that InfluxDB refuses for the sake of one are given up',
    file: 'backend/src/sinks/influx.ts',
    edits: [[`count === 1 || droppedOf`, `count >= 1 || droppedOf`]],
  },
  {
    name: 'sinks: what InfluxDB has refused is forgotten in a crash',
    file: `${INGEST}/segment.ts`,
    edits: [
      [
        `last: this.#last.sequenceNumber, refusals: this.#refusals }`,
        `last: this.#last.sequenceNumber, refusals: [] }`,
      ],
    ],
  },
];

const SHARED = ['node_modules'];
const COPIED = [
  'backend',
  'tests',
  'tools',
  'bench',
  'provisioning',
  'src',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];

/** Tests in the order in which they are asked, the quick ones first. */
const SUITES: readonly { readonly name: string; readonly arguments: readonly string[] }[] = [
  { name: 'unit', arguments: ['--project', 'unit', 'backend/src/ingest/', 'backend/src/sinks/'] },
  { name: 'faults', arguments: ['--project', 'faults', '--bail=1'] },
];

const vitestReport = z.object({
  testResults: z.array(z.object({ assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })) })),
});

/** @returns the names of the tests that failed */
async function failures(folder: string, suite: (typeof SUITES)[number]): Promise<string[]> {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  await new Promise((resolve) => {
    spawn(
      join(folder, 'node_modules', '.bin', 'vitest'),
      ['run', ...suite.arguments, '--reporter=json', `--outputFile.json=${report}`],
      { cwd: folder, stdio: 'ignore' },
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
    const [first] = await failures(folder, suite);
    if (first !== undefined) throw new Error(`Without any mutation, ${suite.name} fails: ${first}`);
  }
}

function mutate(folder: string, { file, edits }: Mutation): () => void {
  const path = join(folder, file);
  const whole = readFileSync(path, 'utf8');
  let text = whole;
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold exactly once: ${from}`);
    text = text.replace(from, () => to);
  }
  writeFileSync(path, text);
  return () => writeFileSync(path, whole);
}

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'userpulse-mutations-'));
  const asked = process.argv.slice(2);
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
        const [first, ...others] = await failures(folder, suite);
        caught.push(
          first === undefined
            ? `${suite.name}: –`
            : `${suite.name}: "${first}"${others.length > 0 ? ` and ${others.length} more` : ''}`,
        );
      }
      restore();
      if (caught.every((text) => text.endsWith('–'))) survived++;
      rows.push([mutation.name, caught.join('; ')]);
      console.error(`${mutation.name}\n  ${caught.join('\n  ')}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(markdown(['broken on purpose', 'caught by'], rows, 2));
  console.log(`\n${rows.length - survived} of ${rows.length} mutations were caught.`);
  return survived === 0 ? 0 : 1;
}

process.exitCode = await main();
