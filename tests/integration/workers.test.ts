import { afterEach, describe, expect, it } from 'vitest';
import { testEvents } from '../support/ingest-world.ts';
import { WorkersWorld } from '../support/workers-world.ts';

const worlds: WorkersWorld[] = [];
const create = async (...options: Parameters<typeof WorkersWorld.create>): Promise<WorkersWorld> => {
  const made = await WorkersWorld.create(...options);
  worlds.push(made);
  return made;
};
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.end()));
});

describe('workers that share a stream', () => {
  it('read each record once between them, and one goes on where another has stopped', async () => {
    const w = await create({ shards: 4 });
    await w.world.put(testEvents(300));
    const first = w.worker();
    await w.untilOwned(4, 1);
    await w.world.put(testEvents(300));
    const second = w.worker();
    await w.untilOwned(4, 2);
    await w.world.put(testEvents(300));
    await w.untilDurable();
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    await w.untilOwned(4, 1);
    await w.world.put(testEvents(300));
    await w.untilDurable();
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    await w.world.expectExact();
  }, 300_000);
});
