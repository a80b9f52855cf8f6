import { afterAll, describe, it, onTestFailed } from 'vitest';
import type { FaultyWorld } from './faulty-world.ts';
import { AREAS, KINDS } from './kinds.ts';
import { SEED, survives, Worlds } from './worlds.ts';

const worlds = new Worlds();
afterAll(() => worlds.end());

/** One fault after the other on one stream: each finds what the ones before have left, and the oracle looks at all of it every time. */
describe.each(AREAS)(`one fault at a time: %s (FAULTS_SEED=${SEED})`, (area) => {
  let running: FaultyWorld | undefined;
  const world = async (): Promise<FaultyWorld> => {
    if (running === undefined) {
      running = await worlds.create();
      await running.put(300);
      running.run();
      await running.world.untilDurable();
    }
    // What a failed test leaves must not fail the next one.
    onTestFailed(() => void (running = undefined));
    return running;
  };
  afterAll(() => worlds.end());

  it.each(KINDS.filter((kind) => kind.area === area).map((kind) => [kind.name, kind] as const))(
    'loses nothing and counts nothing twice: %s',
    async (_name, kind) => survives(await world(), kind),
  );
});
