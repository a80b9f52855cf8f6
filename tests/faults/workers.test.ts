import { afterEach, describe, expect, it } from 'vitest';
import { seeded } from '../support/seeded.ts';
import { expectReadable } from '../support/strict-readers.ts';
import { archiveObjects } from '../support/stored.ts';
import { WorkersCampaign } from './workers-campaign.ts';
import { SEED } from './worlds.ts';

let campaign: WorkersCampaign | undefined;
afterEach(async () => {
  await campaign?.end();
  campaign = undefined;
});

/** The short form of `make faults-workers`. */
describe('workers that share a stream lose nothing and count nothing twice', () => {
  it('while they are killed, whole or in part, stand still, and the stream is split', async () => {
    const c = (campaign = await WorkersCampaign.create(4, seeded(SEED)));
    c.start(2);
    await c.untilAllOwned();
    await c.underTraffic(100, async () => {
      await c.kill();
      await c.suspend();
      // A process that has lost the other half of itself has nothing left to do.
      expect(await c.killJvm()).toBeLessThan(10_000);
      expect(await c.killNode()).toBeLessThan(10_000);
      await c.updateShardCount(8);
    });
    await c.drain();
    expect(c.unexpectedEnds).toEqual([]);
    expect(await c.redoneAsTheyWere()).toBe(c.redone.length);
    await c.w.world.expectExact();
    await expectReadable(archiveObjects(c.w.world.archive));
  }, 420_000);

  it('while they stop one after another, and read no record twice', async () => {
    const c = (campaign = await WorkersCampaign.create(4, seeded(SEED)));
    c.start(3);
    await c.untilOwnedByAll();
    await c.underTraffic(100, () => c.stopOneByOne());
    const read = await c.drain();
    expect(c.unexpectedEnds).toEqual([]);
    expect(read).toBe(c.w.world.records);
    await c.w.world.expectExact();
  }, 300_000);
});
