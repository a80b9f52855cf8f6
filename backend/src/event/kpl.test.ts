import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord, type DecodedRecord, type HashRange } from './decode.ts';
import { aggregate, decodeFrame, hashOfPartitionKey, isFrame, type UserRecord } from './kpl.ts';

const ARRIVAL = Date.UTC(2026, 0, 31, 12);
const MAX = 2n ** 128n - 1n;

const decode = (data: Uint8Array, hashRange?: HashRange): DecodedRecord =>
  decodeRecord(
    { data, approximateArrivalMs: ARRIVAL },
    { maxAheadMs: 600_000, ...(hashRange === undefined ? {} : { hashRange }) },
  );

const user = (id: string, more: Partial<UserRecord> = {}): UserRecord => ({
  data: Buffer.from(`{"eventId":"${id}","type":"like","occurredAt":${ARRIVAL},"actorId":1,"receiverId":2}`),
  partitionKey: id,
  ...more,
});

/** A frame around any protobuf bytes, with the right MD5: what the checks behind the MD5 are tested with. */
const frame = (body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('f3899ac2', 'hex'), body, createHash('md5').update(body).digest()]);

describe('aggregation', () => {
  const records = fc.array(
    fc.record(
      {
        data: fc.uint8Array({ maxLength: 200 }),
        partitionKey: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
        explicitHashKey: fc.bigInt({ min: 0n, max: MAX }).map(String),
      },
      { requiredKeys: ['data', 'partitionKey'] },
    ),
    { minLength: 1, maxLength: 30 },
  );

  it('gives back every user record with its keys, in order', () => {
    fc.assert(
      fc.property(records, (sent) => {
        const { data, partitionKey } = aggregate(sent);
        expect(partitionKey).toBe(sent[0]!.partitionKey);
        expect(isFrame(data)).toBe(true);
        const got = decodeFrame(data);
        if ('code' in got) throw new Error(got.reason);
        expect(
          got.records.map((r) => (r.kind === 'record' ? [[...r.data], r.partitionKey, r.explicitHashKey] : r)),
        ).toEqual(sent.map((r) => [[...r.data], r.partitionKey, r.explicitHashKey]));
      }),
    );
  });

  it('writes the bytes that the format describes', () => {
    const body = Buffer.concat([
      Buffer.from([0x0a, 1, 0x61, 0x0a, 1, 0x62]), // partition_key_table: "a", "b"
      Buffer.from([0x12, 1, 0x37]), // explicit_hash_key_table: "7"
      Buffer.from([0x1a, 5, 0x08, 0, 0x1a, 1, 0x78]), // key 0, data "x"
      Buffer.from([0x1a, 7, 0x08, 1, 0x10, 0, 0x1a, 1, 0x79]), // key 1, hash key 0, data "y"
    ]);
    const { data } = aggregate([
      { data: Buffer.from('x'), partitionKey: 'a' },
      { data: Buffer.from('y'), partitionKey: 'b', explicitHashKey: '7' },
    ]);
    expect(Buffer.from(data).toString('hex')).toBe(frame(body).toString('hex'));
  });

  it('passes over tags and fields it does not know', () => {
    const whole = Buffer.from([
      0x0a, 1, 0x61, 0x20, 9, 0x1a, 12, 0x08, 0, 0x22, 5, 0x0a, 1, 0x6b, 0x12, 0, 0x1a, 1, 0x78,
    ]);
    const good = decodeFrame(frame(whole));
    expect('code' in good ? good.reason : good.records).toMatchObject([{ kind: 'record', partitionKey: 'a' }]);
  });
});

describe('an aggregated record', () => {
  it('gives each user record its place, and rejects a bad one alone with its own bytes', () => {
    const bad = Buffer.from('{"eventId":');
    const { items } = decode(aggregate([user('e0'), { data: bad, partitionKey: 'x' }, user('e2')]).data);
    expect(items.map((item) => [item.kind, item.subSequence])).toEqual([
      ['event', 0],
      ['rejection', 1],
      ['event', 2],
    ]);
    expect(items[1]).toMatchObject({ code: 'not_json' });
    expect(items[1]!.kind === 'rejection' && Buffer.from(items[1]!.data)).toEqual(bad);
  });

  it('rejects an empty user record alone', () => {
    const { items } = decode(aggregate([{ data: new Uint8Array(), partitionKey: 'x' }, user('e1')]).data);
    expect(items).toMatchObject([{ kind: 'rejection', code: 'record_empty', subSequence: 0 }, { kind: 'event' }]);
  });

  it('is one rejection of the whole when any byte of it is changed', () => {
    const { data } = aggregate([user('e0'), user('e1')]);
    fc.assert(
      fc.property(fc.integer({ min: 4, max: data.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(data);
        damaged[at] = damaged[at]! ^ change;
        const { items } = decode(damaged);
        expect(items).toMatchObject([{ kind: 'rejection', code: 'kpl_md5_mismatch', subSequence: undefined }]);
        expect(items[0]!.kind === 'rejection' && items[0]!.data).toBe(damaged);
      }),
    );
  });

  it.each([
    ['nothing after the magic number', Buffer.from('f3899ac2', 'hex'), /too few/],
    ['too little for an MD5', Buffer.from('f3899ac200112233445566778899aabbccddee', 'hex'), /too few/],
    ['no user record', frame(Buffer.from([0x0a, 1, 0x61])), /no user record/],
    ['an empty body', frame(Buffer.alloc(0)), /no user record/],
    ['a length beyond the end', frame(Buffer.from([0x1a, 0x7f, 0x08, 0])), /reaches beyond the end/],
    ['a user record without data', frame(Buffer.from([0x0a, 1, 0x61, 0x1a, 2, 0x08, 0])), /has no data/],
    ['a user record without key', frame(Buffer.from([0x0a, 1, 0x61, 0x1a, 3, 0x1a, 1, 0x78])), /has no partition key/],
    [
      'a field that overruns its record',
      frame(Buffer.from([0x1a, 4, 0x08, 0, 0x1a, 3, 1, 2, 3])),
      /does not end where/,
    ],
    ['an unknown wire type', frame(Buffer.from([0x0f])), /KPL/],
    ['an endless varint', frame(Buffer.alloc(30, 0xff)), /KPL/],
  ])('is one rejection when it has %s', (_what, data, reason) => {
    const { items } = decode(data);
    expect(items).toMatchObject([{ kind: 'rejection', code: 'kpl_frame_broken', subSequence: undefined }]);
    expect(items[0]!.kind === 'rejection' && items[0]!.reason).toMatch(reason);
  });

  it.each([
    ['a partition key beyond its table', [0x08, 1], /names partition key 1 of a table of 1/],
    ['a partition key far beyond 32 bits', [0x08, 0x80, 0x80, 0x80, 0x80, 0x10], /names partition key 4294967296/],
    ['a hash key beyond its table', [0x08, 0, 0x10, 5], /names explicit hash key 5 of a table of 1/],
    ['a hash key that is no number', [0x08, 0, 0x10, 0], /explicit hash key .* is "zz"/],
  ])('rejects a user record with %s alone', (_what, keys, reason) => {
    const sub = [...keys, 0x1a, 1, 0x78];
    const good = [...user('e1').data];
    const goodSub = [0x08, 0, 0x1a, good.length, ...good];
    const body = [0x0a, 1, 0x61, 0x12, 2, 0x7a, 0x7a, 0x1a, sub.length, ...sub, 0x1a, goodSub.length, ...goodSub];
    const { items } = decode(frame(Buffer.from(body)));
    expect(items).toMatchObject([
      { kind: 'rejection', code: 'kpl_key_broken', subSequence: 0 },
      { kind: 'event', subSequence: 1 },
    ]);
    expect(items[0]!.kind === 'rejection' && items[0]!.reason).toMatch(reason);
    expect(items[0]!.kind === 'rejection' && Buffer.from(items[0]!.data).toString()).toBe('x');
  });

  it('keeps user records that hash outside the shard and counts them', () => {
    // MD5("a") begins 0c, MD5("b") 92: the first and the second half of the hash keys.
    expect(hashOfPartitionKey('a') < MAX / 2n).toBe(true);
    expect(hashOfPartitionKey('b') > MAX / 2n).toBe(true);
    const { data } = aggregate([
      user('e0', { partitionKey: 'a' }),
      user('e1', { partitionKey: 'b' }),
      user('e2', { partitionKey: 'a', explicitHashKey: String(MAX) }),
      user('e3', { partitionKey: 'b', explicitHashKey: '0' }),
    ]);
    const lower = decode(data, { start: 0n, end: MAX / 2n });
    expect(lower.items.map((item) => item.kind)).toEqual(['event', 'event', 'event', 'event']);
    expect(lower.outsideShard).toBe(2);
    expect(decode(data, { start: 0n, end: MAX }).outsideShard).toBe(0);
    expect(decode(data).outsideShard).toBe(0);
    const one = hashOfPartitionKey('a');
    expect(decode(aggregate([user('e', { partitionKey: 'a' })]).data, { start: one, end: one }).outsideShard).toBe(0);
  });

  it('never throws, whatever stands behind a right MD5', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        expect(decode(frame(body)).items.length).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 2_000 },
    );
    const good = aggregate([user('e0'), user('e1', { explicitHashKey: '5' })]).data;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length), fc.nat(255)), { minLength: 1, maxLength: 5 }), (changes) => {
        const body = Buffer.from(good.subarray(4, good.length - 16));
        for (const [at, byte] of changes) if (at < body.length) body[at] = byte;
        expect(decode(frame(body)).items.length).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 2_000 },
    );
  });
});
