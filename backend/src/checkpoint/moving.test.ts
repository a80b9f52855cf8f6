import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { freshCheckpoint, type ShardCheckpoint } from './checkpoint.ts';
import { markMoved, refuseIncomplete, refuseMoved, unmarkMoved } from './moving.ts';

const stored = (shard: Partial<ShardCheckpoint>) => ({
  stream: undefined,
  shards: new Map([['shard', { ...freshCheckpoint('shard'), ...shard }]]),
  releases: new Map<string, number>(),
});
const relocation = (sequenceNumber: string) => ({ role: 'made' as const, event: '', offsetNs: 1, sequenceNumber });
const pending = { first: '11', last: '12', codec: 'gzip' as const, refusals: [] };

describe('a checkpoint', () => {
  it.each<[string, Partial<ShardCheckpoint>]>([
    ['of nothing yet', {}],
    [
      'of a shard that was stopped in order',
      { sequenceNumber: '10', relocations: [relocation('9'), relocation('10')] },
    ],
    ['of a held shard', { sequenceNumber: '10', hold: { sinceMs: 1, reason: 'bad' } }],
  ])('%s moves', (_name, shard) => {
    expect(() => refuseIncomplete(stored(shard))).not.toThrow();
  });

  it.each<[string, Partial<ShardCheckpoint>]>([
    ['with a range that is being archived', { sequenceNumber: '10', pending }],
    ['with a point relocated behind it', { sequenceNumber: '10', relocations: [relocation('11')] }],
    ['with a point relocated before its first record is durable', { relocations: [relocation('1')] }],
  ])('%s does not move', (_name, shard) => {
    expect(() => refuseIncomplete(stored(shard))).toThrow(/Shard shard was not stopped in order/);
  });

  it('that has moved is refused where it was, until it is back', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'userpulse-moved-'));
    await expect(refuseMoved(folder)).resolves.toBeUndefined();
    await markMoved(pathToFileURL(folder), 'dynamodb://table');
    await expect(refuseMoved(folder)).rejects.toThrow(/was moved to dynamodb:\/\/table/);
    await unmarkMoved(pathToFileURL(folder));
    await expect(refuseMoved(folder)).resolves.toBeUndefined();
  });
});
