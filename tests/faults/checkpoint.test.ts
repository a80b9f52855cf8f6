import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { bytesOf } from '../support/oracle.ts';
import { testEvents } from '../support/ingest-world.ts';
import { eventually } from '../support/parts.ts';
import type { FaultyWorld } from './faulty-world.ts';
import { expectExact, Worlds } from './worlds.ts';

const worlds = new Worlds();
afterEach(() => worlds.end());

const FIRST_SHARD = 'shardId-000000000000';
const world = (): Promise<FaultyWorld> => worlds.create({ shards: 1, archive: 'file' });
const fileOf = (w: FaultyWorld, name: string): string => join(w.world.checkpointFolder, name);

/** Some records, read and durable; ingest has ended. */
async function settled(w: FaultyWorld): Promise<void> {
  await w.put(200);
  w.run();
  await w.drain();
}

describe('a checkpoint that cannot be trusted', () => {
  it.each([`${FIRST_SHARD}.json`, 'stream.json'])(
    'is refused in words when %s is torn, and nothing is read',
    async (name) => {
      const w = await world();
      await settled(w);
      const whole = await readFile(fileOf(w, name));
      await writeFile(fileOf(w, name), whole.subarray(0, whole.length >> 1));
      await w.put(200);
      const refusing = w.world.ingest();
      expect(await refusing.exit).toEqual({ code: 1, signal: null });
      expect(refusing.log).toContain(`${name} cannot be used: it is damaged`);
      expect(refusing.log).toContain('Restore it from a backup.');
      expect(refusing.log).not.toContain('Reading a shard');
      await writeFile(fileOf(w, name), whole);
      w.run();
      await w.drain();
      await expectExact(w);
    },
  );

  it('stops ingest when the stream has lost records behind it, and goes on with what is left only when told to', async () => {
    const w = await world();
    await settled(w);
    // Read by nobody, and gone when ingest comes back: no store may hold them.
    await w.world.putBytes(testEvents(20).map(bytesOf));
    const lost = w.world.marks().get(FIRST_SHARD)!;
    await w.put(200);
    const checkpoint = JSON.parse(await readFile(fileOf(w, `${FIRST_SHARD}.json`), 'utf8')) as {
      sequenceNumber: string;
    };
    const threeDaysAgo = Date.now() - 3 * 86_400_000;
    // Nothing is known of the three days since, and the stream keeps one.
    await writeFile(
      fileOf(w, `${FIRST_SHARD}.json`),
      JSON.stringify({ ...checkpoint, completeToMs: threeDaysAgo, warmFrom: null }),
    );
    // Kinesis gives no error for an iterator at a record that is gone: it goes on with the oldest there is.
    w.kinesis.add({
      kind: 'Kinesis: the record of the checkpoint is trimmed',
      match: ({ operation, text }) => operation === 'GetShardIterator' && text().includes(checkpoint.sequenceNumber),
      action: {
        kind: 'replace-text',
        change: (text) =>
          text.replace('AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER').replace(checkpoint.sequenceNumber, String(lost)),
      },
    });
    const stopped = w.world.ingest();
    expect(await stopped.exit).toEqual({ code: 1, signal: null });
    expect(stopped.log).toContain(`Records of shard ${FIRST_SHARD} may be lost`);
    expect(stopped.log).toContain('USERPULSE_ON_TRIMMED=continue');
    const told = w.world.ingest({ USERPULSE_ON_TRIMMED: 'continue' });
    await told.says('Going on after a gap');
    expect(await told.metrics()).toContain('userpulse_checkpoint_trimmed_total 1');
    await w.world.untilDurable();
    expect(await told.stop()).toEqual({ code: 0, signal: null });
    await expectExact(w);
  });
});

describe('two ingests on one checkpoint by mistake', () => {
  it('the second refuses, names the first, and changes nothing', async () => {
    const w = await world();
    await w.put(300);
    w.run();
    await w.process.says('"msg":"ingesting"');
    for (let n = 0; n < 2; n++) {
      const second = w.world.ingest();
      await Promise.all([second.exit, w.put(200, 800)]);
      expect(await second.exit).toEqual({ code: 1, signal: null });
      expect(second.log).toMatch(
        new RegExp(`USERPULSE_CHECKPOINT.* is in use by another ingest: process ${w.process.pid ?? ''} on host`),
      );
      expect(second.log).toContain('Stop that process, or use a separate checkpoint and stream.');
    }
    await w.drain();
    await expectExact(w);
  });

  it('exactly one of several runs when they start in the same moment', async () => {
    const w = await world();
    await w.put(300);
    const started = [w.world.ingest(), w.world.ingest(), w.world.ingest()];
    await eventually(() => started.filter((child) => child.ended !== undefined).length === 2, { what: 'two refusals' });
    await w.world.untilDurable();
    const [running] = started.filter((child) => child.ended === undefined);
    for (const refused of started.filter((child) => child !== running)) {
      expect(refused.log).toContain('is in use by another ingest');
    }
    expect(await running!.stop()).toEqual({ code: 0, signal: null });
    await expectExact(w);
  });

  it('the first is fenced when another host has taken the checkpoint over, and writes no more', async () => {
    const w = await world();
    await w.put(300);
    const first = w.world.ingest();
    await w.world.untilDurable();
    const lock = JSON.parse(await readFile(fileOf(w, 'lock'), 'utf8')) as object;
    await writeFile(
      fileOf(w, 'lock'),
      JSON.stringify({ ...lock, token: 'of-the-other', host: 'other-host', pid: 4711 }),
    );
    const before = await readFile(fileOf(w, `${FIRST_SHARD}.json`), 'utf8');
    await w.put(200);
    expect(await first.exit).toEqual({ code: 1, signal: null });
    expect(first.log).toMatch(/USERPULSE_CHECKPOINT.* has been taken over by process 4711 on host other-host/);
    expect(await readFile(fileOf(w, `${FIRST_SHARD}.json`), 'utf8')).toBe(before);
    // That host is gone as well, and has been for a while.
    await utimes(fileOf(w, 'lock'), new Date(0), new Date(0));
    w.run();
    await w.drain();
    await expectExact(w);
  });
});
