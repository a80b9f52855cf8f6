import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { formatDuration } from './text.ts';
import vitestConfig from '../vitest.config.ts';

/**
 * Runs every suite (`node --import tsx tools/test.ts`), or those named as arguments, one after the other, and ends with the line
 * `N passed, N failed`. A suite that ran nothing has failed, and so has a test that was skipped: neither has shown anything.
 */
interface Outcome {
  readonly suite: string;
  readonly passed: number;
  /** One line each: what failed. */
  readonly failures: readonly string[];
  readonly ms: number;
}

const ARTIFACTS = join('artifacts', 'tests');

const projectNames = z
  .object({ test: z.object({ projects: z.array(z.object({ test: z.object({ name: z.string() }) })) }) })
  .transform((config) => config.test.projects.map((project) => project.test.name));

const vitestReport = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** One project of vitest.config.ts. Its own reporter is what one reads; the numbers come from its JSON report. */
async function vitest(project: string): Promise<Omit<Outcome, 'ms'>> {
  const file = join(ARTIFACTS, `${project}.json`);
  rmSync(file, { force: true });
  const code = await run(
    join('node_modules', '.bin', 'vitest'),
    ['run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
    'inherit',
  );
  let report: z.infer<typeof vitestReport>;
  try {
    report = vitestReport.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return { suite: project, passed: 0, failures: [`vitest ended with exit code ${code} and without a report`] };
  }
  const failures: string[] = [];
  let passed = 0;
  for (const result of report.testResults) {
    const where = result.name.replace(`${process.cwd()}/`, '');
    for (const test of result.assertionResults) {
      if (test.status === 'passed') passed++;
      else failures.push(`${where}: ${test.fullName} (${test.status})`);
    }
    // A file that cannot be loaded, or whose hook failed, has no failed test of its own.
    if (result.status === 'failed' && !result.assertionResults.some((t) => t.status === 'failed')) {
      failures.push(`${where}: ${result.message?.split('\n')[0] ?? 'failed'}`);
    }
  }
  if (code !== 0 && failures.length === 0 && passed > 0) {
    failures.push(`vitest ended with exit code ${code} though every test passed: see its output above`);
  }
  return { suite: project, passed, failures };
}

const goEvent = z.object({
  Action: z.string(),
  Package: z.string().optional(),
  ImportPath: z.string().optional(),
  Test: z.string().optional(),
  Output: z.string().optional(),
  Elapsed: z.number().optional(),
});

/** All Go tests of the root module. Packages print one line; of a failed test all its output. */
async function go(): Promise<Omit<Outcome, 'ms'>> {
  const failures: string[] = [];
  const output = new Map<string, string[]>();
  let passed = 0;
  const code = await run('go', ['test', '-json', '-count=1', './...'], (line) => {
    let event: z.infer<typeof goEvent>;
    try {
      event = goEvent.parse(JSON.parse(line));
    } catch {
      console.log(line);
      return;
    }
    const name = event.Package ?? event.ImportPath ?? '';
    const key = `${name} ${event.Test ?? ''}`;
    switch (event.Action) {
      case 'output':
      case 'build-output': {
        const lines = output.get(key) ?? [];
        lines.push(event.Output ?? '');
        output.set(key, lines);
        break;
      }
      case 'pass':
        if (event.Test !== undefined) passed++;
        else console.log(` ✓ ${name} (${event.Elapsed ?? 0} s)`);
        output.delete(key);
        break;
      case 'fail':
      case 'skip':
      case 'build-fail': {
        // A package without test files is "skipped" as a whole: nothing was asked of it.
        if (event.Action === 'skip' && event.Test === undefined) break;
        const isPackage = event.Test === undefined;
        if (!isPackage || event.Action === 'build-fail' || !failures.some((f) => f.startsWith(`${name}:`))) {
          failures.push(`${name}: ${event.Test ?? 'the package'} (${event.Action})`);
        }
        console.log(` ✗ ${name} ${event.Test ?? ''}\n${(output.get(key) ?? []).join('')}`);
        break;
      }
      default: // run, start, pause, cont, bench: on the way
    }
  });
  if (code !== 0 && failures.length === 0) failures.push(`go test ended with exit code ${code}`);
  return { suite: 'go', passed, failures };
}

/** Surefire's report of a test class: https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd */
const SUITE = /<testsuite [^>]*>/;
const countIn = (suite: string, name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);

/** The tests of the lease program, by Maven, which prints what failed. */
async function leases(): Promise<Omit<Outcome, 'ms'>> {
  const reports = join('leases', 'target', 'surefire-reports');
  rmSync(reports, { recursive: true, force: true });
  const code = await run('mvn', ['--batch-mode', '--quiet', '--file', join('leases', 'pom.xml'), 'test'], 'inherit');
  const failures: string[] = [];
  let passed = 0;
  const files = existsSync(reports) ? readdirSync(reports).filter((file) => file.endsWith('.xml')) : [];
  for (const file of files) {
    const suite = SUITE.exec(readFileSync(join(reports, file), 'utf8'))?.[0] ?? '';
    const failed = ['errors', 'failures', 'skipped'].reduce((all, name) => all + countIn(suite, name), 0);
    passed += countIn(suite, 'tests') - failed;
    if (failed > 0) failures.push(`${file}: ${failed} failed`);
  }
  if (code !== 0 && failures.length === 0) failures.push(`mvn test ended with exit code ${code}`);
  return { suite: 'leases', passed, failures };
}

/** Runs a program; its output goes on to ours, or line by line to `onLine`. Resolves with the exit code; 127 when it could not run. */
function run(command: string, args: readonly string[], output: 'inherit' | ((line: string) => void)): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', output === 'inherit' ? 'inherit' : 'pipe', 'inherit'] });
    if (typeof output === 'function' && child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', output);
    }
    child.once('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

async function main(): Promise<number> {
  const projects = projectNames.parse(vitestConfig);
  const suites = new Map<string, () => Promise<Omit<Outcome, 'ms'>>>(projects.map((p) => [p, () => vitest(p)]));
  suites.set('go', go);
  suites.set('leases', leases);
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !suites.has(name));
  if (unknown.length > 0) {
    console.error(`No suite is called ${unknown.join(', ')}. There are: ${[...suites.keys()].join(', ')}.`);
    return 2;
  }
  mkdirSync(ARTIFACTS, { recursive: true });
  const outcomes: Outcome[] = [];
  for (const [name, suite] of suites) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    console.log(`\n── ${name} ──`);
    const started = Date.now();
    const outcome = await suite();
    const nothing = outcome.passed === 0 && outcome.failures.length === 0;
    outcomes.push({
      ...outcome,
      failures: nothing ? ['the suite ran nothing'] : outcome.failures,
      ms: Date.now() - started,
    });
  }
  console.log('\n── all ──');
  for (const { suite, passed, failures, ms } of outcomes) {
    console.log(
      `${suite.padEnd(12)} ${String(passed).padStart(5)} passed ${String(failures.length).padStart(4)} failed   ${formatDuration(ms)}`,
    );
    for (const failure of failures) console.log(`  ✗ ${failure}`);
  }
  const passed = outcomes.reduce((sum, o) => sum + o.passed, 0);
  const failed = outcomes.reduce((sum, o) => sum + o.failures.length, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
