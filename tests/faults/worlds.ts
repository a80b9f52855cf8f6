import { expect } from 'vitest';
import { underTraffic } from './campaign.ts';
import { FaultyWorld, type FaultyWorldOptions } from './faulty-world.ts';
import type { FaultKind } from './kinds.ts';
import { archiveObjects } from '../support/stored.ts';
import { expectReadable } from '../support/strict-readers.ts';

/** The seed of this run: what is sent, and which faults come in which order. */
export const SEED = Number(process.env['FAULTS_SEED'] ?? 1);

/** The worlds of one test file; all of them end with it. */
export class Worlds {
  readonly #made: FaultyWorld[] = [];

  async create(options: Partial<FaultyWorldOptions> = {}): Promise<FaultyWorld> {
    const world = await FaultyWorld.create({ seed: SEED, ...options });
    this.#made.push(world);
    return world;
  }

  async end(): Promise<void> {
    await Promise.all(this.#made.splice(0).map((world) => world.end()));
  }
}

/** Injects a fault while records come in, lets ingest recover, and compares everything with the oracle. */
export async function survives(world: FaultyWorld, kind: FaultKind): Promise<void> {
  const before = world.injected().get(kind.name) ?? 0;
  await underTraffic(world, 200, () => kind.inject(world));
  await world.put(100);
  await world.world.untilDurable();
  expect(world.injected().get(kind.name), 'how often it was injected').toBeGreaterThan(before);
  await expectExact(world);
}

/**
 * Everything that must be there and nothing else, no end of ingest that nobody asked for, and an archive that DuckDB and ClickHouse read as we do,
 * every object of it.
 */
export async function expectExact(world: FaultyWorld): Promise<void> {
  expect(world.unexpectedEnds).toEqual([]);
  await world.world.expectExact();
  await expectReadable(archiveObjects(world.world.archive));
}
