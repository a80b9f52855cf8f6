import { describe, expect, it } from 'vitest';
import { testEvents } from '../support/ingest-world.ts';
import { userpulse } from '../support/cli.ts';
import { eventually } from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

const { world } = worldsOfEachTest();

/** Of two shards the first has the lower half of the hash keys. */
const BAD = { shardId: 'shardId-000000000000', hashKey: '0' };
const GOOD = { shardId: 'shardId-000000000001', hashKey: (2n ** 127n).toString() };

describe('a shard of which too much is rejected', () => {
  it('is held while the other one is read, says so everywhere, and goes on when it is released', async () => {
    const w = await world({ shards: 2 });
    const bad = Array.from({ length: 1_500 }, (_, n) => Buffer.from(`{"eventId":"bad-${n}","type":"LIKE"}`));
    await w.putPoison(bad, BAD.hashKey);
    await w.put(testEvents(50), BAD.hashKey);
    await w.put(testEvents(200), GOOD.hashKey);
    const ingest = w.ingest();
    await ingest.says(`Shard ${BAD.shardId} has been held since`);
    // The other shard is read on.
    await w.put(testEvents(100), GOOD.hashKey);
    await eventually(async () => {
      const metrics = await ingest.metrics();
      expect(metrics).toContain('userpulse_shards{state="held"} 1');
      expect(metrics).toContain('userpulse_shards{state="reading"} 1');
      expect(metrics).toMatch(/userpulse_archive_lines_total\{kind="archive"\} 300\n/);
      return true;
    });
    expect((await fetch(new URL('/readyz', ingest.url ?? ''))).status).toBe(200);
    expect(await ingest.metrics()).not.toContain('kind="rejected"');
    const doctor = await userpulse(['doctor'], w.env());
    expect(doctor.stdout).toMatch(/lag +WARNING +Shard shardId-000000000000 has been held since/);
    expect(doctor.stdout.replaceAll(/\s+/g, ' ')).toContain(`userpulse release --shard ${BAD.shardId}`);

    const wrong = await userpulse(['release', '--shard', GOOD.shardId], w.env());
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain(`Not held: ${GOOD.shardId}. Held shards are: ${BAD.shardId}.`);
    expect((await userpulse(['release'], w.env())).stderr).toContain('Use --shard ID, or --all.');
    const released = await userpulse(['release', '--shard', BAD.shardId], w.env());
    expect(released).toMatchObject({ code: 0 });
    expect(released.stdout).toContain(`${BAD.shardId} is released for records that arrived until 20`);
    await w.untilWritten();
    await w.untilArchived();
    expect(await ingest.stop()).toEqual({ code: 0, signal: null });
    await w.expectExact();
    expect((await userpulse(['release', '--all'], w.env())).stdout).toBe('No shard is held.\n');
  });

  it('stays held over a restart, and goes on by itself where a setting was what was wrong', async () => {
    const w = await world();
    const events = testEvents(1_200);
    // NDJSON of one event and a comment line: no event until it is split.
    await w.putBytes(events.map((event) => Buffer.from(`${JSON.stringify(event)}\n${JSON.stringify(event)}`)));
    for (let start = 0; start < 2; start++) {
      const ingest = w.ingest();
      await ingest.says(`Shard ${BAD.shardId} has been held since`);
      expect(ingest.log).toContain('USERPULSE_SPLIT');
      expect(await ingest.stop()).toEqual({ code: 0, signal: null });
    }
    const ingest = w.ingest({ USERPULSE_SPLIT: 'ndjson' });
    await eventually(async () =>
      (await ingest.metrics()).includes('userpulse_archive_lines_total{kind="archive"} 2400\n'),
    );
    expect(await ingest.metrics()).not.toContain('kind="rejected"');
    expect(await ingest.stop()).toEqual({ code: 0, signal: null });
    expect((await userpulse(['release', '--all'], w.env())).stdout).toBe('No shard is held.\n');
  });
});
