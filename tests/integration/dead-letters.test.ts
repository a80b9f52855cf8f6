import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { truncate } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerDeadLetters } from '../../backend/src/commands/dead-letters.ts';
import { aggregate } from '../../backend/src/event/kpl.ts';
import { runInProcess, type CommandEnd } from '../support/command.ts';
import { IngestWorld, testEvent, testEvents } from '../support/ingest-world.ts';
import { eventually, influxWrite, temporaryFolder, usePartsEnvironment } from '../support/parts.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

beforeAll(() => usePartsEnvironment());
const cwd = await temporaryFolder('dead-letters');
const { world } = worldsOfEachTest();

const run = (w: IngestWorld, args: readonly string[], stdin?: string): Promise<CommandEnd> =>
  runInProcess(registerDeadLetters, ['dead-letters', ...args], w.env(), {
    cwd,
    ...(stdin === undefined ? {} : { stdin }),
  });

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const dataOf = (line: string): string =>
  Buffer.from((JSON.parse(line) as { data: string }).data, 'base64').toString('latin1');
const today = new Date().toISOString().slice(0, 10);
const TODAY = ['--from', today, '--to', '2999-01-01'];

const BROKEN = Buffer.concat([Buffer.from([0xf3, 0x89, 0x9a, 0xc2]), Buffer.from('no frame follows')]);
const LARGE = Buffer.from('x'.repeat(1_000_000));

/** Some events, and some of each kind of what is none, read to the end and archived. */
async function rejected(archive: 'file' | 's3') {
  const w = await world({ archive, env: { USERPULSE_MAX_AHEAD_MS: '1000' } });
  // A field of another type in the same shard group: every int in that week is refused, in this bucket only.
  await influxWrite(w.buckets.received, [`interaction,prefix=1,type=like user="text" 1425470400000000000`]);
  const good = testEvents(20);
  const upperCase = [0, 1, 2].map(() => Buffer.from(JSON.stringify({ ...testEvent(), type: 'LIKE' })));
  const refused = testEvents(2, { occurredAt: 1_425_470_401_000 });
  const early = testEvent({ occurredAt: Date.now() + 15_000 });
  const [before, after] = testEvents(2);
  const mixed = aggregate(
    [Buffer.from(JSON.stringify(before)), Buffer.from('\u0007no json'), Buffer.from(JSON.stringify(after))].map(
      (data) => ({
        partitionKey: 'k',
        data,
      }),
    ),
  ).data;
  await w.put(good);
  const [first, ...others] = refused;
  await w.putBytes([
    ...upperCase,
    BROKEN,
    LARGE,
    Buffer.from(mixed),
    Buffer.from(JSON.stringify(early)),
    ...[first, ...others].map((e) => Buffer.from(JSON.stringify(e))),
  ]);
  const ingest = w.ingest();
  await eventually(
    async () => (await w.storedLines('archive')).length >= 22 && (await w.storedLines('rejected')).length >= 9,
  );
  await ingest.stop();
  return { w, upperCase, refused, early };
}

describe.each(['file', 's3'] as const)('userpulse dead-letters (%s archive)', (archive) => {
  it('counts, shows, and puts back what has become valid, byte for byte', async () => {
    const { w, upperCase, refused, early } = await rejected(archive);

    const counted = await run(w, ['count', '--json']);
    const { letters, codes } = JSON.parse(counted.stdout) as {
      letters: number;
      codes: { code: string; letters: number }[];
    };
    expect(letters).toBe(9);
    expect(codes[0]).toMatchObject({ code: 'type_invalid', letters: 3, example: expect.stringContaining('"LIKE"') });
    expect(Object.fromEntries(codes.map((c) => [c.code, c.letters]))).toEqual({
      type_invalid: 3,
      not_json: 2,
      influx_refused: 2,
      kpl_md5_mismatch: 1,
      occurred_at_ahead: 1,
    });
    expect((await run(w, ['count', ...TODAY])).stdout).toMatch(
      /^9 dead letters\n\ntype_invalid {2}3 dead letters, .* to .*\n {2}type is "LIKE"/,
    );
    expect((await run(w, ['count', '--to', '2020-01-01'])).stdout).toBe('No dead letters.\n');

    const shown = await run(w, ['list', '--code', 'not_json,kpl_md5_mismatch']);
    expect(shown.stdout).toContain('sub-record 1');
    expect(shown.stdout).toContain(': ·no json');
    expect(shown.stdout).toContain('1,000,000 bytes: xxxx');
    expect(lines(shown.stdout)).toHaveLength(9);
    const limited = await run(w, ['list', '--limit', '2', '--json']);
    expect(lines(limited.stdout)).toHaveLength(2);
    expect(limited.stderr).toContain('There are more');
    const stored = lines((await run(w, ['list', '--json'])).stdout);
    expect(stored.sort()).toEqual(await w.storedLines('rejected'));
    expect(stored.map(dataOf)).toEqual(
      expect.arrayContaining([...upperCase, BROKEN, LARGE].map((b) => b.toString('latin1'))),
    );

    await new Promise((resolve) => setTimeout(resolve, Math.max(0, early.occurredAt - Date.now() - 900)));
    const dry = await run(w, ['redrive', ...TODAY, '--dry-run']);
    expect(dry.stdout).toContain('Would send 3 dead letters');
    expect(dry.stdout).toContain('(type_invalid): 3 dead letters.');
    const put = await run(w, ['redrive', ...TODAY]);
    expect(put.error).toBeUndefined();
    expect(put.stdout).toContain('Sent 3 dead letters');

    // Mended by hand, as the help of redrive shows it with jq.
    const mended = lines((await run(w, ['list', '--code', 'type_invalid', '--json'])).stdout).map((line) => {
      const letter = JSON.parse(line) as { data: string };
      const data = Buffer.from(letter.data, 'base64').toString().replace('"LIKE"', '"like"');
      return JSON.stringify({ ...letter, data: Buffer.from(data).toString('base64') });
    });
    const fromFile = await run(w, ['redrive', '--file', '-'], mended.join('\n'));
    expect(fromFile.error).toBeUndefined();
    expect(fromFile.stdout).toContain('Sent 3 dead letters');

    const madeBefore = await w.storedPoints('made');
    const again = w.ingest();
    const expected = 22 + 1 + 3;
    await eventually(async () => (await w.storedLines('archive')).length >= expected);
    await again.stop();
    const archived = await w.storedLines('archive');
    expect(archived).toHaveLength(expected);
    expect(archived).toEqual(
      expect.arrayContaining([
        JSON.stringify(early),
        ...upperCase.map((b) => b.toString().replace('"LIKE"', '"like"')),
      ]),
    );
    // Refused once more by this bucket: a dead letter once more, and still one point in the others.
    expect(await w.storedLines('rejected')).toHaveLength(9 + refused.length);
    const made = await w.storedPoints('made');
    expect(made).toHaveLength(madeBefore.length + 2 * (1 + 3));
    expect(new Set(made.filter((p) => p.endsWith(' 1425470401000'))).size).toBe(2 * refused.length);
  });
});

describe('userpulse dead-letters', () => {
  it('stops at a damaged object with its name, and leaves it out when told to', async () => {
    const w = await world();
    await w.putPoison([Buffer.from('no json')]);
    const ingest = w.ingest();
    await w.untilArchived();
    await ingest.stop();
    if (w.archive.kind !== 'file') throw new Error('This test damages a file.');
    const [key] = [...(await w.objects()).keys()];
    await truncate(join(w.archive.folder, key!), 20);
    const stopped = await run(w, ['count']);
    expect(stopped.error?.code).toBe('archive_damaged');
    expect(stopped.error?.message).toContain(key);
    expect((await run(w, ['count', '--without', key!])).stdout).toBe('No dead letters.\n');
  });

  it('asks for days or a file before it puts anything, and refuses a file that holds no letters', async () => {
    const w = await world();
    expect((await run(w, ['redrive'])).error?.code).toBe('bad_request');
    const end = await run(w, ['redrive', '--file', '-'], '{"data":"bm8="}\n');
    expect(end.error?.code).toBe('input_unreadable');
    expect(end.error?.message).toContain('Line 1 of standard input is not a dead letter');
    expect((await run(w, ['redrive', '--file', 'no-such-file'])).error?.code).toBe('input_unreadable');
  });
});

describe('userpulse ingest of a bad deploy', () => {
  it('holds the shard, says what is wrong and how to go on, and loses nothing', async () => {
    const w = await world({
      env: { USERPULSE_REJECT_MIN_RECORDS: '200', USERPULSE_ARCHIVE_MAX_AGE_MS: '60000' },
    });
    await w.put(testEvents(50));
    const bad = Array.from({ length: 300 }, (_, n) =>
      Buffer.from(JSON.stringify({ ...testEvent(), actorId: createHash('md5').update(String(n)).digest('hex') })),
    );
    await w.putPoison(bad);
    for (let start = 0; start < 2; start++) {
      const ingest = w.ingest();
      await ingest.says('has been held since');
      expect(ingest.log).toMatch(/\d+ of the last \d+ records .* are not valid events/);
      expect(ingest.log).toContain('\\"actor_id_invalid\\", for example: actorId is');
      expect(ingest.log).toContain('userpulse release --shard shardId-000000000000');
      expect(await ingest.stop()).toEqual({ code: 0, signal: null });
      expect(await w.storedLines('rejected')).toEqual([]);
    }
    // A limit of 1 lets them pass as well as a release does.
    const on = w.ingest({ USERPULSE_REJECT_MAX_RATIO: '1', USERPULSE_ARCHIVE_MAX_AGE_MS: '500' });
    await w.untilArchived();
    await on.stop();
    await w.expectExact();
  });
});
