import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freshCheckpoint, type ShardCheckpoint } from '../checkpoint/checkpoint.ts';
import { StreamRecords } from '../kinesis/stream-records.ts';
import { writeShard } from '../checkpoint/file-format.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import type { Page, StreamSource } from '../kinesis/stream-source.ts';
import { lagCheck, shardLags } from './lag.ts';

const RETENTION_MS = 86_400_000;
const NOW_MS = 10 * RETENTION_MS;
const SHARD = 'shardId-000000000000';
const go = new AbortController().signal;

/** A stream of one shard that answers with these pages, one after the other, wherever it is asked to begin. */
function fakeStream(
  ...pages: readonly (readonly [first: string | undefined, millisBehindLatest: number])[]
): StreamSource {
  return {
    stream: 's',
    describe: () => Promise.resolve({ createdAtMs: 0, retentionMs: RETENTION_MS }),
    listShards: () => Promise.resolve([{ shardId: SHARD, parents: [], hashRange: { start: 0n, end: 1n } }]),
    iterator: () => Promise.resolve('0'),
    records: (iterator): Promise<Page> => {
      const [first, millisBehindLatest] = pages[Number(iterator)] ?? [undefined, 0];
      const record = { data: new Uint8Array(), partitionKey: 'p', approximateArrivalMs: 0 };
      return Promise.resolve({
        records: StreamRecords.of(first === undefined ? [] : [{ ...record, sequenceNumber: first }]),
        next: String(Number(iterator) + 1),
        millisBehindLatest,
      });
    },
  };
}

const at = (sequenceNumber: string, completeToMs: number): ShardCheckpoint => ({
  ...freshCheckpoint(SHARD),
  sequenceNumber,
  completeToMs,
});
const lagOf = async (source: StreamSource, checkpoint: ShardCheckpoint) =>
  (await shardLags(source, new Map([[SHARD, checkpoint]]), NOW_MS, go))[0];

describe('the lag of a shard', () => {
  const long = NOW_MS - RETENTION_MS;
  const recent = NOW_MS - 1_000;

  it('is that of the checkpoint’s own record', async () => {
    expect(await lagOf(fakeStream(['5', 700]), at('5', long))).toMatchObject({ kind: 'behind', lagMs: 700 });
  });
  it('is expired when the stream goes on with a later record instead', async () => {
    expect(await lagOf(fakeStream(['9', 700]), at('5', long))).toMatchObject({ kind: 'expired' });
  });
  it('is expired when the stream holds nothing any more', async () => {
    expect(await lagOf(fakeStream([undefined, 0]), at('5', long))).toMatchObject({ kind: 'expired' });
  });
  it('is not expired when nothing was missing up to a time that the stream still covers', async () => {
    expect(await lagOf(fakeStream(['9', 700]), at('5', recent))).toMatchObject({ kind: 'behind', lagMs: 700 });
    expect(await lagOf(fakeStream([undefined, 0]), at('5', recent))).toMatchObject({ kind: 'behind', lagMs: 0 });
  });
  it('is found behind the empty pages that Kinesis may give before a record', async () => {
    const source = fakeStream([undefined, 9_000], [undefined, 9_000], ['5', 700]);
    expect(await lagOf(source, at('5', long))).toMatchObject({ kind: 'behind', lagMs: 700 });
  });
});

describe('the check of the lag', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'userpulse-lag-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it.each([
    ['damaged', '{'],
    ['of another stream', writeShard('another', freshCheckpoint(SHARD))],
  ])('does not take a checkpoint that is %s for none', async (_, content) => {
    await writeFile(join(folder, `${SHARD}.json`), content);
    const kinesis = createKinesisClient();
    const target = { stream: 's', endpoint: undefined, region: undefined, archiveMaxAgeMs: 0 };
    const result = await lagCheck(kinesis, { ...target, checkpoint: pathToFileURL(folder) }).run(go);
    kinesis.destroy();
    expect(result).toMatchObject({ name: 'lag', state: 'error', code: 'checkpoint_unusable' });
  });
});
