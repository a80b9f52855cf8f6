import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { Deck, injectTogether, underTraffic } from './campaign.ts';
import { KINDS } from './kinds.ts';
import { expectExact, SEED, Worlds } from './worlds.ts';

const worlds = new Worlds();
afterAll(() => worlds.end());

describe('several faults at a time', () => {
  it.each([SEED, SEED + 1])('lose nothing and count nothing twice (FAULTS_SEED=%i)', async (seed) => {
    const w = await worlds.create({ seed });
    const deck = new Deck(KINDS, w.random);
    await w.put(300);
    w.run();
    for (let round = 0; round < 7; round++) {
      const kinds = Array.from({ length: 3 }, () => deck.draw());
      await underTraffic(w, 200, () => injectTogether(w, kinds));
    }
    await w.drain();
    await expectExact(w);
  });

  it('lose nothing when one kill follows the other before anything is finished', async () => {
    const w = await worlds.create({ shards: 3 });
    await w.put(2_000);
    w.run();
    for (let kill = 0; kill < 8; kill++) {
      await underTraffic(w, 500, async () => {
        await sleep(400 + w.random() * 900);
        await w.kill();
      });
    }
    await w.drain();
    expect(w.kills).toBe(8);
    await expectExact(w);
  });
});
