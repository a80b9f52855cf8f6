import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODEC_NAMES } from '../archive/codecs.ts';
import { COMPRESSIONS } from '../event/decompress.ts';
import { SPLITS } from '../event/split.ts';
import { parseEvent } from '../event/parse.ts';
import { BUCKET_ROLES, type Schema } from '../schema/buckets.ts';
import { identityOf } from '../schema/identity.ts';
import { OffsetTable } from '../schema/offsets.ts';
import { pointsOf } from '../schema/points.ts';
import type { ShardCheckpoint } from './checkpoint.ts';
import { readShard, readStream, writeShard, writeStream } from './file-format.ts';
import { COLLIDED, collidedJson, VERSION_1_FILES } from './version-1.fixture.ts';

const sequenceNumber = fc.bigInt({ min: 0n, max: 10n ** 60n }).map(String);
const ms = fc.nat({ max: 2 ** 42 });
const checkpoints: fc.Arbitrary<ShardCheckpoint> = fc.record({
  shardId: fc.string({ minLength: 1 }),
  sequenceNumber: fc.option(sequenceNumber),
  completeToMs: ms,
  pending: fc.option(
    fc.record({
      first: sequenceNumber,
      last: sequenceNumber,
      codec: fc.constantFrom(...CODEC_NAMES),
      decoding: fc.record({
        maxAheadMs: fc.nat(),
        decompress: fc.subarray([...COMPRESSIONS]),
        split: fc.subarray([...SPLITS]),
      }),
      refusals: fc.array(
        fc.record(
          { sequenceNumber, subSequence: fc.nat(), reason: fc.string() },
          { requiredKeys: ['sequenceNumber', 'reason'] },
        ),
      ),
    }),
  ),
  done: fc.boolean(),
  relocations: fc.array(
    fc.record({
      role: fc.constantFrom(...BUCKET_ROLES),
      event: fc.string(),
      offsetNs: fc.nat({ max: 999_999 }),
      sequenceNumber,
    }),
  ),
  warmFrom: fc.option(sequenceNumber),
});

const version1 = (file: string) => readShard(VERSION_1_FILES[file] ?? '');

describe('the file of a shard', () => {
  it('gives back every checkpoint that can be made, whatever its buckets and codecs', () => {
    fc.assert(
      fc.property(checkpoints, (checkpoint) => {
        expect(readShard(writeShard('interactions', checkpoint))).toEqual({ stream: 'interactions', checkpoint });
      }),
    );
  });

  it('of 0.1 is read under the present names', () => {
    const { stream, checkpoint } = version1('shardId-000000000001.json');
    expect(stream).toBe('interactions');
    const third = '49659230034917463842900000000000000000000000000000000003';
    expect(checkpoint).toMatchObject({
      shardId: 'shardId-000000000001',
      sequenceNumber: '49659230034917463842900000000000000000000000000000000002',
      completeToMs: 1_769_860_801_002,
      pending: {
        first: third,
        last: third,
        codec: 'gzip',
        refusals: [{ sequenceNumber: third, reason: expect.stringContaining('field "user"') }],
      },
      done: false,
      warmFrom: '49659230034917463842900000000000000000000000000000000001',
    });
    expect(checkpoint.relocations.map(({ role, offsetNs }) => [role, offsetNs])).toEqual(
      BUCKET_ROLES.map((role) => [role, 475_080]),
    );
    expect(version1('shardId-000000000000.json').checkpoint).toMatchObject({ done: true, pending: null });
  });

  it('of 0.1 is written in the present version, and nothing of it is lost', () => {
    const { stream, checkpoint } = version1('shardId-000000000001.json');
    const text = writeShard(stream, checkpoint);
    expect(JSON.parse(text)).toMatchObject({ version: 2 });
    expect(text).not.toMatch(/moved|sealed|slot/);
    expect(readShard(text)).toEqual({ stream, checkpoint });
  });

  it('of 0.1 puts the event that 0.1 relocated on the very timestamp it has in InfluxDB', () => {
    const schema: Schema = {
      buckets: { made: 'a', received: 'b', share: 'c', total: 'd' },
      userPrefix: { by: 'first', length: 4 },
      sharePrefix: { by: 'first', length: 6 },
    };
    const offsets = new OffsetTable({ capacity: 64 });
    offsets.restore(version1('shardId-000000000001.json').checkpoint.relocations);
    // Only the second one, as after a restart that has forgotten the first.
    const parsed = parseEvent(Buffer.from(collidedJson(COLLIDED[1])), { arrivalMs: Infinity, maxAheadMs: 0 });
    if ('code' in parsed) throw new Error(parsed.reason);
    const identity = identityOf(parsed.event);
    expect(identity.offsetNs).not.toBe(475_080);
    for (const point of pointsOf(parsed.event, schema)) {
      expect(offsets.assign(point, identity)).toMatchObject({ offsetNs: 475_080, relocation: undefined });
    }
  });
});

describe('the file of the stream', () => {
  it('gives back what was written, and is read from 0.1', () => {
    const checkpoint = { stream: 'interactions', createdAtMs: 17, start: { kind: 'time', ms: 5 } } as const;
    expect(readStream(writeStream(checkpoint))).toEqual(checkpoint);
    expect(readStream(VERSION_1_FILES['stream.json'] ?? '')).toEqual({
      stream: 'interactions',
      createdAtMs: 1_769_860_000_000,
      start: { kind: 'trim_horizon' },
    });
  });
});
