import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freshCheckpoint, type ShardCheckpoint } from './checkpoint.ts';
import { FileCheckpointStore } from './file-checkpoints.ts';
import { readCheckpoints, releaseShard } from './open-checkpoints.ts';
import { VERSION_1_FILES } from './version-1.fixture.ts';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'userpulse-checkpoint-'));
  folder = join(root, 'deep', 'folder');
});
afterEach(() => rm(root, { recursive: true }));

const store = (): FileCheckpointStore => new FileCheckpointStore(pathToFileURL(folder));
const STREAM = { stream: 'interactions', createdAtMs: 17, start: { kind: 'time', ms: 5 } } as const;
const full: ShardCheckpoint = {
  shardId: 'shardId-000000000001',
  sequenceNumber: '4'.repeat(56),
  completeToMs: 1_700_000_000_000,
  pending: {
    first: '5',
    last: '6',
    codec: 'gzip',
    refusals: [{ sequenceNumber: '5', subSequence: 3, reason: 'no "reason"' }],
  },
  done: false,
  relocations: [{ role: 'share', event: 'ab'.repeat(24), offsetNs: 999_999, sequenceNumber: '5' }],
  hold: { sinceMs: 1_700_000_000_000, reason: 'too much' },
  warmFrom: '4',
};

async function written(): Promise<void> {
  const s = store();
  await s.open('interactions');
  await s.saveStream(STREAM);
  await s.saveShard(full);
  await s.close();
}

describe('FileCheckpointStore', () => {
  it('makes its folder and gives back what was saved', async () => {
    const s = store();
    expect(await s.open('interactions')).toEqual({ stream: undefined, shards: new Map(), releases: new Map() });
    await s.saveStream(STREAM);
    await s.saveShard(freshCheckpoint('shardId-000000000000'));
    await s.saveShard(full);
    await s.removeShard('shardId-000000000000');
    await s.close();
    const again = store();
    expect(await again.open('interactions')).toEqual({
      stream: STREAM,
      shards: new Map([[full.shardId, full]]),
      releases: new Map(),
    });
    await again.close();
    expect((await readdir(folder)).sort()).toEqual(['shardId-000000000001.json', 'stream.json']);
  });

  it('learns of a release from whoever writes it, until the shard is forgotten', async () => {
    await written();
    const s = store();
    await s.open('interactions');
    expect(await s.releasedToMs(full.shardId)).toBe(0);
    const url = pathToFileURL(folder);
    await releaseShard(url, 'interactions', full.shardId, 1_700_000_000_000);
    await releaseShard(url, 'interactions', full.shardId, 1_700_000_000_001);
    expect(await s.releasedToMs(full.shardId)).toBe(1_700_000_000_001);
    expect(await s.releasedToMs('shardId-000000000002')).toBe(0);
    expect((await readCheckpoints(url, 'interactions')).releases).toEqual(new Map([[full.shardId, 1_700_000_000_001]]));
    await writeFile(join(folder, `${full.shardId}.release`), '{"version":1');
    await expect(s.releasedToMs(full.shardId)).rejects.toMatchObject({ code: 'checkpoint_unusable' });
    await releaseShard(url, 'another', full.shardId, 5);
    await expect(s.releasedToMs(full.shardId)).rejects.toMatchObject({ code: 'checkpoint_unusable' });
    await s.removeShard(full.shardId);
    expect(await readdir(folder)).toEqual(['lock', 'stream.json']);
    await s.close();
  });

  it('refuses a shard file that was cut off at any place', async () => {
    await written();
    const file = join(folder, `${full.shardId}.json`);
    const whole = await readFile(file);
    // The last byte is the newline after the closing brace: without it nothing is missing.
    for (let length = 0; length < whole.length - 1; length += 7) {
      await writeFile(file, whole);
      await truncate(file, length);
      await expect(store().open('interactions'), `${length} bytes`).rejects.toMatchObject({
        code: 'checkpoint_unusable',
      });
    }
    await writeFile(file, whole);
    const s = store();
    await s.open('interactions');
    await s.close();
  });

  it.each([
    ['an unknown field', { surprise: 1 }],
    ['a newer version', { version: 3 }],
    ['a sequence number that is none', { sequenceNumber: '12a' }],
    ['another shard', { shardId: 'shardId-000000000009' }],
  ])('refuses a file with %s', async (_, change) => {
    await written();
    const file = join(folder, `${full.shardId}.json`);
    await writeFile(file, JSON.stringify({ ...(JSON.parse(await readFile(file, 'utf8')) as object), ...change }));
    await expect(store().open('interactions')).rejects.toMatchObject({ code: 'checkpoint_unusable' });
  });

  it('refuses to start anew where only the file of the stream is missing', async () => {
    await written();
    await rm(join(folder, 'stream.json'));
    await expect(store().open('interactions')).rejects.toMatchObject({ code: 'checkpoint_unusable' });
  });

  it('refuses the checkpoint of another stream by name', async () => {
    await written();
    await expect(store().open('others')).rejects.toMatchObject({
      code: 'checkpoint_unusable',
      message: expect.stringContaining('belongs to stream "interactions"'),
    });
  });

  it('ignores what a crash left half-written beside the old content', async () => {
    await written();
    await writeFile(join(folder, `.${full.shardId}.json.tmp`), '{"version":1,');
    const s = store();
    expect((await s.open('interactions')).shards.get(full.shardId)).toEqual(full);
    await s.close();
  });

  it('refuses a second holder, naming the first, and lets it in after that one has closed', async () => {
    const first = store();
    await first.open('interactions');
    await expect(store().open('interactions')).rejects.toMatchObject({
      code: 'checkpoint_locked',
      message: expect.stringContaining(`process ${process.pid} on host ${hostname()}`),
    });
    await first.close();
    const second = store();
    await second.open('interactions');
    await second.close();
  });

  it.each([
    ['whose process is gone', { pid: 2 ** 22 + 1, host: hostname(), started: '1' }],
    ['whose pid belongs to a later process', { pid: process.pid, host: hostname(), started: '1' }],
  ])('takes over the lock of a holder %s', async (_, holder) => {
    await written();
    await writeFile(join(folder, 'lock'), JSON.stringify({ token: 'theirs', ...holder }));
    const s = store();
    await s.open('interactions');
    await s.close();
    expect(await readdir(folder)).not.toContain('lock');
  });

  it('does not take over the lock of another host while that one shows signs of life', async () => {
    await written();
    await writeFile(join(folder, 'lock'), JSON.stringify({ token: 'theirs', pid: 1, host: 'elsewhere', started: '1' }));
    await expect(store().open('interactions')).rejects.toMatchObject({ code: 'checkpoint_locked' });
  });

  it('writes nothing any more once another process has taken the lock', async () => {
    const s = store();
    await s.open('interactions');
    await s.saveStream(STREAM);
    await writeFile(join(folder, 'lock'), JSON.stringify({ token: 'theirs', pid: 1, host: 'elsewhere', started: '1' }));
    await expect(s.saveShard(full)).rejects.toMatchObject({ code: 'checkpoint_locked' });
    expect(await readdir(folder)).not.toContain(`${full.shardId}.json`);
    await s.close();
    expect(await readdir(folder)).toContain('lock');
  });
});

describe('readCheckpoints', () => {
  const read = (stream = 'interactions') => readCheckpoints(pathToFileURL(folder), stream);

  it('finds what a running ingest has saved, without disturbing it', async () => {
    const s = store();
    await s.open('interactions');
    await s.saveStream(STREAM);
    await s.saveShard(full);
    expect(await read()).toEqual({ stream: STREAM, shards: new Map([[full.shardId, full]]), releases: new Map() });
    await s.saveShard({ ...full, done: true });
    await s.close();
  });

  it('finds nothing where there has been no ingest, and creates nothing', async () => {
    expect(await read()).toEqual({ stream: undefined, shards: new Map(), releases: new Map() });
    expect(await readdir(root)).toEqual([]);
  });

  it('reads all other shards when one is removed between the listing and its turn', async () => {
    const s = store();
    await s.open('interactions');
    await s.saveStream(STREAM);
    for (const shard of [1, 2, 3, 4]) await s.saveShard({ ...full, shardId: `shardId-00000000000${shard}` });
    await s.close();
    // A link that leads nowhere is what is listed and cannot be found.
    await rm(join(folder, 'shardId-000000000002.json'));
    await symlink(join(root, 'gone'), join(folder, 'shardId-000000000002.json'));
    const { shards } = await read();
    expect([...shards.keys()]).toEqual([1, 3, 4].map((shard) => `shardId-00000000000${shard}`));
    expect([...shards.values()].flatMap((checkpoint) => checkpoint.relocations)).toHaveLength(3);
  });

  it('refuses the checkpoint of another stream', async () => {
    await written();
    await expect(read('others')).rejects.toMatchObject({
      code: 'checkpoint_unusable',
      message: expect.stringContaining('belongs to stream "interactions"'),
    });
  });

  it('refuses a damaged file instead of leaving its shard out', async () => {
    await written();
    await writeFile(join(folder, 'shardId-000000000002.json'), '{"version":2,');
    await expect(read()).rejects.toMatchObject({
      code: 'checkpoint_unusable',
      message: expect.stringContaining('shardId-000000000002.json'),
    });
  });

  it('reads a folder of 0.1, which the next ingest goes on from', async () => {
    await mkdir(folder, { recursive: true });
    for (const [file, text] of Object.entries(VERSION_1_FILES)) await writeFile(join(folder, file), text);
    const stored = await read();
    expect(stored.stream?.createdAtMs).toBe(1_769_860_000_000);
    expect([...stored.shards.keys()]).toEqual(['shardId-000000000000', 'shardId-000000000001']);
    const s = store();
    expect(await s.open('interactions')).toEqual(stored);
    for (const checkpoint of stored.shards.values()) await s.saveShard(checkpoint);
    await s.close();
    expect(await read()).toEqual(stored);
  });
});
