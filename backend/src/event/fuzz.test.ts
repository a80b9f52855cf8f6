import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deadLetterLine } from '../archive/dead-letter.ts';
import { decodeRecord, type DecodedItem, type DecodeOptions } from './decode.ts';

/**
 * What a hostile or broken producer may put on the stream. Expected results are known by construction, never computed by the code under
 * test. `FUZZ_RUNS=1000000 npx vitest run --project unit fuzz` looks further.
 */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 300);
const TIMEOUT_MS = 60_000 + RUNS * 10;

const ARRIVAL = Date.UTC(2026, 0, 31, 12);
const AHEAD = 600_000;
/** Kinesis's largest record: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html */
const LARGEST = 10 * 1024 * 1024;

const decode = (data: Uint8Array, options: Partial<DecodeOptions> = {}): readonly DecodedItem[] =>
  decodeRecord(
    { data, approximateArrivalMs: ARRIVAL },
    { maxAheadMs: AHEAD, hashRange: { start: 0n, end: 2n ** 127n }, ...options },
  ).items;
const EVERYTHING: Partial<DecodeOptions> = { decompress: ['gzip'], split: ['ndjson', 'array'] };

/** What must hold for every record, whatever its bytes: it is accounted for once, and what is kept of it is a part of it. */
function accounted(data: Uint8Array): readonly DecodedItem[] {
  const items = decode(data);
  const [first] = items;
  if (first?.subSequence === undefined) expect(items).toHaveLength(1);
  else expect(items.map((item) => item.subSequence)).toEqual(items.map((_, i) => i));
  let end = 0;
  for (const item of items) {
    if (item.kind === 'event') {
      expect(item.line.length).toBeLessThanOrEqual(data.length);
      expect(item.line.includes(0x0a)).toBe(false);
      continue;
    }
    if (item.subSequence === undefined) expect(item.data).toBe(data);
    else {
      // User records stand in the frame one behind the other: no byte is in two of them.
      const start = item.data.length === 0 ? end : item.data.byteOffset - data.byteOffset;
      expect(start).toBeGreaterThanOrEqual(end);
      end = start + item.data.length;
      expect(end).toBeLessThanOrEqual(data.length);
    }
    expect(item.reason.length).toBeLessThan(1_000);
    const letter = { ...item, shardId: 's', sequenceNumber: '1', partitionKey: 'a', arrivalMs: ARRIVAL };
    expect(item.reason.isWellFormed()).toBe(true);
    const line = Buffer.from(deadLetterLine(letter)).toString();
    expect(line).not.toContain('\n');
    expect((JSON.parse(line) as { data: string }).data).toBe(Buffer.from(item.data).toString('base64'));
  }
  expect(isDeepStrictEqual(decode(data), items)).toBe(true);
  return items;
}

const check = (property: fc.IPropertyWithHooks<unknown>, share = 1): void =>
  fc.assert(property, { numRuns: Math.max(1, Math.round(RUNS * share)) });

// ── JSON ──

/** JSON source of a value, and what the contract makes of it for one field: a text, a time, or nothing where it breaks the rule. */
interface Source {
  readonly json: string;
  readonly id?: string;
  readonly type?: string;
  readonly user?: string;
  readonly share?: string;
  readonly ms?: number;
  readonly absent?: true;
  /** Not I-JSON: no record that holds it is an event. */
  readonly refused?: true;
}

const escaped = (text: string): string =>
  `"${Array.from(text, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`;
/** A string as JSON may spell it: plainly, or with every character escaped. */
const spelled = (text: string): fc.Arbitrary<string> => fc.constantFrom(JSON.stringify(text), escaped(text));

const INT64 = 2n ** 63n;
const integer = fc.oneof(
  fc.bigInt({ min: -2n, max: 2n ** 70n }),
  fc.constantFrom(0n, 1n, 2n ** 53n - 1n, 2n ** 53n + 1n, INT64 - 1n, INT64, INT64 + 1n),
);
const asUser = (n: bigint): Pick<Source, 'user'> => (n >= 1n && n < INT64 ? { user: String(n) } : {});
const asTime = (n: bigint): Pick<Source, 'ms'> =>
  n >= BigInt(Date.UTC(2000, 0, 1)) && n <= BigInt(ARRIVAL + AHEAD) ? { ms: Number(n) } : {};

const value: fc.Arbitrary<Source> = fc.oneof(
  integer.map((n) => ({ json: String(n), ...asUser(n), ...asTime(n) })),
  fc
    .integer({ min: Date.UTC(1999, 11, 31), max: ARRIVAL + 2 * AHEAD })
    .map((ms) => ({ json: String(ms), ...asUser(BigInt(ms)), ...asTime(BigInt(ms)) })),
  fc.integer({ min: 1, max: ARRIVAL + 2 * AHEAD }).chain((ms) => {
    const text = new Date(ms).toISOString();
    return spelled(text).map((json) => ({ json, id: text, ...asTime(BigInt(ms)) }));
  }),
  integer.chain((n) => spelled(String(n)).map((json) => ({ json, id: String(n), ...asUser(n) }))),
  fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/).chain((type) => spelled(type).map((json) => ({ json, id: type, type }))),
  fc
    .stringMatching(/^[0-9a-f]{24}$/)
    .filter((share) => /[a-f]/.test(share) || share.startsWith('0'))
    .chain((share) =>
      spelled(share).map((json) => ({ json, id: share, share, ...(/^[a-f]/.test(share) ? { type: share } : {}) })),
    ),
  fc.constantFrom<Source>(
    { json: 'null', absent: true },
    { json: 'true' },
    { json: '1e400', refused: true },
    { json: '1e3' },
    { json: '-0' },
    { json: '1.0' },
    { json: '0.1e-5' },
    { json: '[]' },
    { json: '{}' },
    { json: '{"actorId":7,"type":"nested","eventId":"nested"}' },
    { json: '{"__proto__":{"actorId":7}}' },
    { json: '["actorId",1,{"receiverId":2}]' },
    { json: '""', absent: true },
    { json: '"\\ud800"', refused: true },
    { json: `"${'x'.repeat(128)}"`, id: 'x'.repeat(128) },
    { json: `"${'x'.repeat(129)}"` },
    { json: '"Like"', id: 'Like' },
    { json: '"\\"actorId\\":9"', id: '"actorId":9' },
    { json: `${'['.repeat(2_000)}${']'.repeat(2_000)}`, refused: true },
    { json: `${'['.repeat(63)}${']'.repeat(63)}` },
  ),
);

const FIELDS = ['eventId', 'type', 'occurredAt', 'actorId', 'receiverId', 'shareId'] as const;
/** Values that keep the contract, so that a good part of the objects are events. */
const GOOD: Readonly<Record<(typeof FIELDS)[number], fc.Arbitrary<Source>>> = {
  eventId: fc.uuid().map((id) => ({ json: JSON.stringify(id), id })),
  type: fc.constantFrom('like', 'a', 'x_1').map((type) => ({ json: JSON.stringify(type), type })),
  occurredAt: fc.integer({ min: ARRIVAL - 1e9, max: ARRIVAL }).map((ms) => ({ json: String(ms), ms })),
  actorId: fc.bigInt({ min: 1n, max: INT64 - 1n }).map((n) => ({ json: String(n), user: String(n) })),
  receiverId: fc.bigInt({ min: 1n, max: INT64 - 1n }).map((n) => ({ json: String(n), user: String(n) })),
  shareId: fc.stringMatching(/^[0-9a-f]{24}$/).map((share) => ({ json: JSON.stringify(share), share })),
};

interface Member extends Source {
  readonly name: string;
}
const member = (name: string, source: fc.Arbitrary<Source>): fc.Arbitrary<Member> =>
  source.map((s) => ({ ...s, name }));
const members: fc.Arbitrary<Member[]> = fc
  .tuple(
    fc.tuple(
      ...FIELDS.map((name) => fc.oneof({ weight: 9, arbitrary: member(name, GOOD[name]) }, member(name, value))),
    ),
    fc.array(
      fc
        .constantFrom(...FIELDS, '__proto__', 'constructor', 'toString', 'note', '')
        .chain((name) => member(name, value)),
      { maxLength: 3 },
    ),
  )
  .chain(([all, more]) => fc.shuffledSubarray([...all, ...more], { minLength: 4 }));

const space = fc.constantFrom('', ' ', '\n', '\r\n\t', '  ');

/** The contract, applied to what is known of each member. */
function expected(given: readonly Member[]): object | undefined {
  if (given.some((m) => m.refused) || new Set(given.map((m) => m.name)).size < given.length) return undefined;
  const named = (name: string): Member | undefined => given.find((m) => m.name === name);
  const optional = (m: Member | undefined, read: (m: Member) => string | undefined): string | null | undefined =>
    m === undefined || m.absent === true ? null : read(m);
  const eventId = named('eventId')?.id;
  const type = named('type')?.type;
  const occurredAtMs = named('occurredAt')?.ms;
  const actorId = named('actorId')?.user;
  const receiver = optional(named('receiverId'), (m) => m.user);
  const share = optional(named('shareId'), (m) => m.share);
  if ([eventId, type, occurredAtMs, actorId, receiver, share].includes(undefined)) return undefined;
  if (receiver === null && share === null) return undefined;
  return { eventId, type, occurredAtMs, actorId, receiverId: receiver ?? undefined, shareId: share ?? undefined };
}

describe('any JSON object', () => {
  it('is the event that the contract makes of it, to the last digit, or one rejection', { timeout: TIMEOUT_MS }, () => {
    let events = 0;
    check(
      fc.property(members, fc.array(space, { minLength: 4, maxLength: 4 }), fc.boolean(), (given, spaces, escape) => {
        const [a = '', b = '', c = '', d = ''] = spaces;
        const body = given.map(
          ({ name, json }) => `${a}${escape && name !== '' ? escaped(name) : JSON.stringify(name)}${b}:${c}${json}${d}`,
        );
        const data = Buffer.from(`${a}{${body.join(',')}}${d}`);
        const [item] = accounted(data);
        const event = expected(given);
        if (event !== undefined) events++;
        expect(item?.kind === 'event' ? item.event : undefined).toEqual(event);
      }),
      2,
    );
    expect(events).toBeGreaterThan(RUNS / 10);
  });

  it('pollutes no prototype', () => {
    accounted(Buffer.from('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('any bytes', () => {
  it('are accounted for', { timeout: TIMEOUT_MS }, () => {
    check(fc.property(fc.uint8Array({ maxLength: 2_000, size: 'max' }), (data) => void accounted(data)));
    check(fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => void accounted(Buffer.from(text))));
  });

  const part = LARGEST / 64;
  it.each<[string, string]>([
    ['a string without end', `"${'x'.repeat(LARGEST - 1)}`],
    ['a name without end', `{"${'x'.repeat(LARGEST - 2)}`],
    ['escapes without end', `"${'\\n'.repeat(LARGEST / 2 - 1)}`],
    ['a number of ten million digits', '9'.repeat(LARGEST)],
    ['an id of ten million digits', `{"actorId":${'9'.repeat(LARGEST - 20)},"a":"\\\\"}`],
    ['white space', ' '.repeat(LARGEST)],
    ['white space before what is no JSON', `${' '.repeat(LARGEST - 1)}x`],
    ['brackets that open', '['.repeat(LARGEST / 4)],
    ['brackets that open and close', '['.repeat(LARGEST / 4) + ']'.repeat(LARGEST / 4)],
    ['objects in objects', '{"a":'.repeat(LARGEST / 5)],
    ['one name again and again', `{${'"actorId":1,'.repeat(LARGEST / 13)}"x":"\\\\"}`],
    ['very many names', `{${Array.from({ length: part }, (_, i) => `"${i}":${i}`).join(',')},"actorId":5,"x":"\\\\"}`],
    [
      'a fraction of a second of ten million digits',
      `{"occurredAt":"2026-01-31T11:00:00.${'2'.repeat(LARGEST - 40)}Z"}`,
    ],
  ])('of the largest record are accounted for: %s', { timeout: 60_000 }, (_what, text) => {
    expect(decode(Buffer.from(text))).toHaveLength(1);
  });
});

// ── Records of several events ──

const eventLine = fc
  .tuple(fc.uuid(), fc.constantFrom('', ',"t":"\\"}{"', ',"t":"]["', ',"m":[{"a":{}}]', ', "t" : "\\\\"'))
  .map(([id, more]) => `{"eventId":"${id}","type":"like","occurredAt":${ARRIVAL},"actorId":1,"receiverId":2${more}}`);
/** Neither empty nor with a line break inside or white space at an end; never the beginning of an object that ends. */
const otherLine = fc.constantFrom('x', '{', '{"a":"', '{"a":[', '{"a":1}', '[]', '1', '"{}"', '"', '\\', '{]');

describe('any record of several events', () => {
  it('gives each line once, as an event or a dead letter', { timeout: TIMEOUT_MS }, () => {
    const lines = fc.array(fc.oneof(eventLine, otherLine), { maxLength: 8 });
    check(
      fc.property(eventLine, lines, fc.constantFrom('\n', '\r\n', '\n\n \n'), fc.boolean(), (first, more, end, zip) => {
        // Two lines at least: one is a record like any other.
        const all = [...more, first, 'x'];
        const data = Buffer.from(all.join(end) + end);
        const items = decode(zip ? gzipSync(data) : data, EVERYTHING);
        expect(items.map((item) => Buffer.from(item.kind === 'event' ? item.line : item.data).toString())).toEqual(all);
        expect(items.map((item) => item.kind === 'event')).toEqual(all.map((line) => line.includes('eventId')));
        expect(items.map((item) => item.subSequence)).toEqual(items.map((_, i) => i));
      }),
    );
  });

  it('gives each item of an array once', { timeout: TIMEOUT_MS }, () => {
    const item = fc.oneof(eventLine, fc.json({ maxDepth: 2 }));
    check(
      fc.property(fc.array(item, { minLength: 1, maxLength: 8 }), space, fc.boolean(), (all, gap, zip) => {
        const data = Buffer.from(`${gap}[${gap}${all.join(`${gap},${gap}`)}${gap}]${gap}`);
        const items = decode(zip ? gzipSync(data) : data, EVERYTHING);
        expect(items.map((i) => Buffer.from(i.kind === 'event' ? i.line : i.data).toString())).toEqual(all);
        expect(items.map((i) => i.kind === 'event')).toEqual(all.map((text) => text.includes('"eventId":"')));
      }),
    );
  });

  it('is accounted for whatever its bytes, and alike when it is read again', { timeout: TIMEOUT_MS }, () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '\n', ' ', '1', '{"a":1}', 'null'), {
          maxLength: 60,
        })
        .map((parts) => Buffer.from(parts.join(''))),
    );
    const seen = (items: readonly DecodedItem[]): unknown =>
      items.map((item) => ({ ...item, ...(item.kind === 'event' ? {} : { data: Buffer.from(item.data) }) }));
    check(
      fc.property(bytes, fc.constantFrom('plain', 'gzip', 'cut gzip'), (data, how) => {
        const zipped = gzipSync(data);
        const record =
          how === 'plain' ? data : how === 'gzip' ? zipped : zipped.subarray(0, data.length % zipped.length);
        const items = decode(record, EVERYTHING);
        expect(items.length).toBeGreaterThan(0);
        if (items.length > 1) expect(items.map((item) => item.subSequence)).toEqual(items.map((_, i) => i));
        expect(isDeepStrictEqual(seen(decode(record, EVERYTHING)), seen(items))).toBe(true);
        for (const item of items) if (item.kind === 'event') expect(item.line.includes(0x0a)).toBe(false);
      }),
      2,
    );
  });
});

// ── KPL frames ──

const frame = (body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('f3899ac2', 'hex'), body, createHash('md5').update(body).digest()]);

/** Protobuf by hand, so that the oracle shares no code with what it judges. */
const varint = (n: bigint): number[] => (n < 0x80n ? [Number(n)] : [Number(n & 0x7fn) | 0x80, ...varint(n >> 7n)]);
const bytesField = (field: number, data: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(BigInt(data.length))]), data]);
const varintField = (field: number, n: bigint): Buffer => Buffer.from([field << 3, ...varint(n)]);

/** Fields that a reader must pass over: unknown numbers of every wire type, groups in groups included. */
const unknown: fc.Arbitrary<Buffer> = fc.constantFrom(
  bytesField(4, Buffer.from('tag')),
  bytesField(15, Buffer.alloc(0)),
  varintField(9, 2n ** 64n - 1n),
  Buffer.from([(10 << 3) | 5, 1, 2, 3, 4]),
  Buffer.from([(11 << 3) | 1, 1, 2, 3, 4, 5, 6, 7, 8]),
  Buffer.from([(12 << 3) | 3, (13 << 3) | 3, 8, 1, (13 << 3) | 4, (12 << 3) | 4]),
);

const KEYS = ['a', 'ключ'];
const HASH_KEYS = ['0', String(2n ** 128n - 1n), String(2n ** 128n), 'zz'];
interface Sub {
  readonly data: Buffer;
  readonly key: bigint;
  readonly hashKey: bigint | undefined;
  readonly noise: Buffer;
  /** Fields of a scalar that come twice: the last counts. */
  readonly twice: boolean;
}
const sub: fc.Arbitrary<Sub> = fc.record({
  data: fc.oneof(
    fc
      .uuid()
      .map((id) => Buffer.from(`{"eventId":"${id}","type":"like","occurredAt":${ARRIVAL},"actorId":1,"receiverId":2}`)),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  ),
  key: fc.constantFrom(0n, 0n, 1n, 2n, 2n ** 32n, 2n ** 53n, 2n ** 64n - 1n),
  hashKey: fc.constantFrom(undefined, undefined, 0n, 1n, 2n, 3n, 4n, 2n ** 63n),
  noise: unknown,
  twice: fc.boolean(),
});
const encoded = (s: Sub): Buffer =>
  bytesField(
    3,
    Buffer.concat([
      ...(s.twice ? [varintField(1, 99n), bytesField(3, Buffer.from('not this'))] : []),
      s.noise,
      varintField(1, s.key),
      ...(s.hashKey === undefined ? [] : [varintField(2, s.hashKey)]),
      bytesField(3, s.data),
    ]),
  );
const tables = Buffer.concat([
  ...KEYS.map((key) => bytesField(1, Buffer.from(key))),
  ...HASH_KEYS.map((key) => bytesField(2, Buffer.from(key))),
]);
const goodKeys = (s: Sub): boolean => s.key < 2n && (s.hashKey === undefined || s.hashKey < 2n);

describe('any KPL frame', () => {
  it('gives back each user record once, with the bytes that were put in', { timeout: TIMEOUT_MS }, () => {
    check(
      fc.property(fc.array(sub, { minLength: 1, maxLength: 20 }), fc.boolean(), unknown, (subs, tablesLast, noise) => {
        const records = Buffer.concat(subs.map(encoded));
        const body = tablesLast ? [noise, records, tables] : [tables, noise, records];
        const items = accounted(frame(Buffer.concat(body)));
        expect(items).toHaveLength(subs.length);
        items.forEach((item, i) => {
          const given = subs[i]!;
          const isEvent = given.data.includes('"eventId"');
          expect(item.kind).toBe(isEvent && goodKeys(given) ? 'event' : 'rejection');
          expect(Buffer.from(item.kind === 'event' ? item.line : item.data).equals(given.data)).toBe(true);
          if (item.kind === 'rejection') expect(item.code === 'kpl_key_broken').toBe(!goodKeys(given));
        });
      }),
    );
  });

  const mutation = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'copy'),
    byte: fc.nat(255),
  });
  it('is accounted for when it was altered, behind a right MD5 and a wrong one', { timeout: TIMEOUT_MS }, () => {
    check(
      fc.property(
        fc.array(sub, { minLength: 1, maxLength: 4 }),
        fc.array(mutation, { minLength: 1, maxLength: 6 }),
        (subs, mutations) => {
          let body = Buffer.concat([tables, ...subs.map(encoded)]);
          for (const { at, kind, byte } of mutations) {
            const i = at % Math.max(body.length, 1);
            if (kind === 'flip' && body.length > 0) body[i] = body[i]! ^ (1 << (byte & 7));
            else if (kind === 'set' && body.length > 0) body[i] = byte;
            else if (kind === 'cut') body = body.subarray(0, i);
            else if (kind === 'insert')
              body = Buffer.concat([body.subarray(0, i), Buffer.from([byte]), body.subarray(i)]);
            else body = Buffer.concat([body, body.subarray(i, i + byte)]);
          }
          accounted(frame(body));
          accounted(Buffer.concat([Buffer.from('f3899ac2', 'hex'), body]));
        },
      ),
      2,
    );
  });

  it.each<[string, Uint8Array, number]>([
    ['groups in groups without end', Buffer.alloc(100_000, (7 << 3) | 3), 1],
    ['a length of 4 GiB', Buffer.from([(3 << 3) | 2, 0xff, 0xff, 0xff, 0xff, 0x0f]), 1],
    ['a length of 2^64', Buffer.from([(4 << 3) | 2, ...varint(2n ** 64n - 1n)]), 1],
    ['a varint without end', Buffer.alloc(100_000, 0xff), 1],
    [
      'very many keys and no record',
      Buffer.concat(Array.from({ length: 20_000 }, () => bytesField(1, Buffer.from('a')))),
      1,
    ],
    [
      'a frame in a frame, which is no event',
      Buffer.concat([tables, bytesField(3, Buffer.concat([varintField(1, 0n), bytesField(3, frame(tables))]))]),
      1,
    ],
    [
      'very many empty records',
      Buffer.concat([tables, ...Array.from({ length: 5_000 }, () => Buffer.from([0x1a, 4, 0x08, 0, 0x1a, 0]))]),
      5_000,
    ],
  ])('is accounted for: %s', { timeout: 60_000 }, (_what, body, items) => {
    expect(accounted(frame(body))).toHaveLength(items);
  });
});
