import { afterEach } from 'vitest';
import { IngestWorld } from './ingest-world.ts';

/** Worlds that end with the test that made them. To be called once, at the top of a test file. */
export function worldsOfEachTest() {
  let worlds: IngestWorld[] = [];
  afterEach(async () => {
    await Promise.all(worlds.map((world) => world.end()));
    worlds = [];
  });
  /** For a world that was made in another way. */
  const endsWithTest = (world: IngestWorld): IngestWorld => {
    worlds.push(world);
    return world;
  };
  const world: typeof IngestWorld.create = async (options) => endsWithTest(await IngestWorld.create(options));
  return { world, endsWithTest };
}
