import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchContext } from '../part.ts';
import { userpulse, type Wiring } from './consumers.ts';
import type { FakeKinesis, FakeSinks } from './fakes.ts';
import { renderFlame } from './flame.ts';
import { readProfile, stageShares, type Stage } from './stages.ts';
import { runTrial, type Trial } from './trial.ts';

const BUNDLE_MAP = fileURLToPath(new URL('../../backend/dist/main.js.map', import.meta.url));
/** Loading the program takes about a second, and belongs to no stage. */
const STARTING_MICROS = 1_500_000;

export interface ProfiledRun {
  readonly trial: Trial;
  /** Of the busy time of the first thread. */
  readonly shares: Readonly<Record<Stage, number>>;
  readonly flame: string;
}

/** One run of ingest under V8's sampling profiler, apart from those that are timed. */
export async function profileRun(
  wiring: Wiring,
  kinesis: FakeKinesis,
  sinks: FakeSinks,
  context: BenchContext,
): Promise<ProfiledRun> {
  const folder = join(wiring.root, 'profile');
  await mkdir(folder);
  await sinks.reset();
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500'];
  const trial = await runTrial(userpulse({ nodeArgs }), wiring, kinesis, () => sinks.written());
  const [file] = await readdir(folder);
  if (file === undefined) throw new Error('Node has written no profile.');
  const root = readProfile(join(folder, file), BUNDLE_MAP, STARTING_MICROS);
  const flame = 'ingest-flame.svg';
  await writeFile(
    join(context.pictures, flame),
    renderFlame(root, 'Ingest, 1 KB events, main thread: orange is Userpulse, blue packages, green Node, violet V8'),
  );
  context.say(`profiled: ${flame}`);
  return { trial, shares: stageShares(root), flame };
}
