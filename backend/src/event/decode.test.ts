import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord, type ArrivedData, type DecodedItem } from './decode.ts';
import type { RejectionCode } from './event.ts';

const ARRIVAL = Date.UTC(2026, 0, 31, 12);
const TEN_MINUTES = 600_000;

const record = (data: string | Uint8Array): ArrivedData => ({
  data: typeof data === 'string' ? Buffer.from(data) : data,
  approximateArrivalMs: ARRIVAL,
});

const decode = (data: string | Uint8Array): DecodedItem => {
  const { items } = decodeRecord(record(data), { maxAheadMs: TEN_MINUTES });
  expect(items).toHaveLength(1);
  return items[0]!;
};

const event = (data: string | Uint8Array) => {
  const item = decode(data);
  if (item.kind !== 'event') throw new Error(`rejected: ${item.reason}`);
  return { ...item.event, line: Buffer.from(item.line).toString() };
};

const rejection = (data: string | Uint8Array) => {
  const item = decode(data);
  if (item.kind !== 'rejection') throw new Error('accepted');
  return item;
};

/** Members as JSON source, so that a test says exactly what stands in the record; `undefined` leaves one out. */
const source = (members: Readonly<Record<string, string | undefined>> = {}): string => {
  const all: Record<string, string | undefined> = {
    eventId: '"e1"',
    type: '"like"',
    occurredAt: '"2026-01-31T11:59:59.500Z"',
    actorId: '12345678901',
    receiverId: '42',
    shareId: '"65b9f1c0aaaaaaaaaaaaaaaa"',
    ...members,
  };
  return `{${Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
};

describe('an event', () => {
  it('keeps every field', () => {
    expect(event(source())).toEqual({
      eventId: 'e1',
      type: 'like',
      occurredAtMs: Date.UTC(2026, 0, 31, 11, 59, 59, 500),
      actorId: '12345678901',
      receiverId: '42',
      shareId: '65b9f1c0aaaaaaaaaaaaaaaa',
      line: source(),
    });
  });

  it('keeps ids beyond 2^53 exactly, as integers and as strings', () => {
    for (const id of ['9007199254740993', '9223372036854775807', '1234567890123456789']) {
      expect(event(source({ actorId: id, receiverId: `"${id}"` }))).toMatchObject({ actorId: id, receiverId: id });
    }
  });

  it('is not misled by a nested member, a string or an escaped name that looks like the id', () => {
    const nested = source({ actorId: '9007199254740993', meta: '{"actorId":9007199254740991,"a":["actorId",{}]}' });
    expect(event(nested).actorId).toBe('9007199254740993');
    const quoted = source({ actorId: '9007199254740993', note: '"\\"actorId\\":7,\\\\"' });
    expect(event(quoted).actorId).toBe('9007199254740993');
    const before = source({ actorId: '9007199254740993' }).replace('{', '{"meta":{"actorId":9007199254740992},');
    expect(event(before).actorId).toBe('9007199254740993');
    const value = source({ eventId: '"actorId"', actorId: '9007199254740993' });
    expect(event(value).actorId).toBe('9007199254740993');
    const spaced = source({ actorId: undefined }).replace(/}$/, ',"actorId"\n:\t9007199254740993}');
    expect(event(spaced).actorId).toBe('9007199254740993');
    const onlyEscaped = source({ actorId: undefined }).replace(/}$/, ',"m":{"actorId":1e3},"actor\\u0049d" :\t8}');
    expect(event(onlyEscaped).actorId).toBe('8');
  });

  it('may lack the receiver or the share, by absence or null, but not both', () => {
    expect(event(source({ receiverId: undefined })).receiverId).toBeUndefined();
    expect(event(source({ receiverId: 'null' })).receiverId).toBeUndefined();
    expect(event(source({ shareId: 'null' })).shareId).toBeUndefined();
    expect(rejection(source({ shareId: 'null', receiverId: undefined })).code).toBe('target_missing');
  });

  it('takes an empty text for an optional id as its absence', () => {
    expect(event(source({ receiverId: '""' })).receiverId).toBeUndefined();
    expect(event(source({ shareId: '""' })).shareId).toBeUndefined();
    expect(rejection(source({ shareId: '""', receiverId: '""' })).code).toBe('target_missing');
    expect(rejection(source({ shareId: '" "' })).code).toBe('share_id_invalid');
    expect(rejection(source({ actorId: '""' })).code).toBe('actor_id_invalid');
  });

  it('may leave out seconds that are zero, as Java does', () => {
    expect(event(source({ occurredAt: '"2026-01-31T11:59Z"' })).occurredAtMs).toBe(Date.UTC(2026, 0, 31, 11, 59));
    expect(event(source({ occurredAt: '"2026-01-31T13:59+02:00"' })).occurredAtMs).toBe(Date.UTC(2026, 0, 31, 11, 59));
  });

  it('may have whole epoch milliseconds as its time', () => {
    expect(event(source({ occurredAt: String(ARRIVAL) })).occurredAtMs).toBe(ARRIVAL);
    expect(event(source({ occurredAt: '946684800000' })).occurredAtMs).toBe(Date.UTC(2000, 0, 1));
  });

  it('may be ahead of its arrival by exactly what is allowed', () => {
    expect(event(source({ occurredAt: String(ARRIVAL + TEN_MINUTES) })).occurredAtMs).toBe(ARRIVAL + TEN_MINUTES);
    expect(rejection(source({ occurredAt: String(ARRIVAL + TEN_MINUTES + 1) })).code).toBe('occurred_at_ahead');
  });

  it('counts the length of its id in UTF-16 units', () => {
    expect(event(source({ eventId: JSON.stringify('😀'.repeat(64)) })).eventId).toHaveLength(128);
    expect(rejection(source({ eventId: JSON.stringify(`${'😀'.repeat(64)}a`) })).reason).toContain('129');
  });

  it('ignores fields it does not know and keeps them in its line', () => {
    const text = source({ toString: '1', extra: '{"deep":[1,2]}' });
    expect(event(text).line).toBe(text);
  });

  it('may be close to a megabyte', () => {
    const text = source({ note: JSON.stringify('ü'.repeat(500_000)) });
    expect(event(text).line).toBe(text);
  });
});

describe('the archive line', () => {
  it('is the record without white space at its ends', () => {
    expect(event(` \t\r\n${source()}\n\n`).line).toBe(source());
  });

  it('has one space for each byte of a line break', () => {
    const text = source().replaceAll(',', ',\r\n\t');
    expect(event(`${text}\n`).line).toBe(source().replaceAll(',', ',  \t'));
  });

  it('keeps the record given unharmed', () => {
    const data = Buffer.from(`${source().replace(',', ',\n')}\n`);
    const copy = Buffer.from(data);
    decode(data);
    expect(data).toEqual(copy);
  });

  it('keeps what JSON reads as text byte for byte: escapes, U+2028, spaces', () => {
    const text = source({ note: '"\\u00e9 \u2028 \\n  x"' }).replaceAll('":', '" : ');
    expect(event(text).line).toBe(text);
  });

  it('never holds a line break and parses to what the record did, for any JSON layout', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom('\n', '\r\n', '\t', '  '),
        (extra, indent) => {
          const value = { ...extra, ...(JSON.parse(source()) as object) };
          const text = JSON.stringify(value, undefined, 1).replaceAll('\n', indent);
          const { line } = event(`${indent}${text}${indent}`);
          expect(line).not.toMatch(/[\r\n]/);
          expect(line).toHaveLength(text.length);
          expect(JSON.parse(line)).toEqual(JSON.parse(text));
        },
      ),
    );
  });
});

describe('a rejection', () => {
  const cases: readonly (readonly [RejectionCode, string, string | Uint8Array, RegExp])[] = [
    ['record_empty', 'nothing at all', '', /empty/],
    ['record_empty', 'white space only', ' \r\n\t', /empty/],
    ['not_utf8', 'bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
    ['not_utf8', 'an encoded surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /UTF-8/],
    ['not_json', 'a byte order mark', `\ufeff${source()}`, /byte order mark/],
    ['not_json', 'a trailing comma', '{"a":1,}', /character 8 stands "}" where a name in double quotes belongs/],
    ['not_json', 'a cut record', source().slice(0, -1), /ends after \d+ characters, , or } is missing/],
    ['not_json', 'a second object', `${source()} {}`, /follows the first value, at character \d+/],
    ['not_json', 'single quotes', "{'a':1}", /character 2/],
    ['not_json', 'a line break in a string', '{"a":"x\ny"}', /string that begins at character 6/],
    ['not_json', 'a bare word', 'hello', /character 1 stands "hello"/],
    ['not_json', 'NaN', '{"a":NaN}', /character 6/],
    ['not_json', 'a leading zero', source({ actorId: '0123' }), /stands "123/],
    ['not_json', 'a plus sign', source({ actorId: '+5' }), /stands "\+5/],
    ['not_json', 'brackets that never close', '['.repeat(1 << 20), /ends after 1048576 characters/],
    ['not_an_object', 'an array', '[1]', /is an array/],
    ['not_an_object', 'nested brackets', '['.repeat(100_000) + ']'.repeat(100_000), /is an array/],
    ['not_an_object', 'null', 'null', /is null/],
    ['not_an_object', 'a string', '"x"', /is "x"/],
    ['event_id_invalid', 'no event id', source({ eventId: undefined }), /eventId is missing/],
    ['event_id_invalid', 'an empty event id', source({ eventId: '""' }), /empty string/],
    ['event_id_invalid', 'a number as event id', source({ eventId: '7' }), /the number 7/],
    ['event_id_invalid', 'a long event id', source({ eventId: `"${'x'.repeat(129)}"` }), /129 UTF-16 units/],
    ['type_invalid', 'no type', source({ type: undefined }), /type is missing/],
    ['type_invalid', 'an upper-case type', source({ type: '"Like"' }), /type is "Like"/],
    ['type_invalid', 'a type that begins with a digit', source({ type: '"1like"' }), /begins with a-z/],
    ['type_invalid', 'a type with a newline at its end', source({ type: '"like\\n"' }), /type is "like\\n"/],
    ['type_invalid', 'a type of 33', source({ type: `"${'a'.repeat(33)}"` }), /at most 32/],
    ['type_invalid', 'a type that is an array', source({ type: '["like"]' }), /type is an array/],
    ['occurred_at_invalid', 'no time', source({ occurredAt: undefined }), /occurredAt is missing/],
    ['occurred_at_invalid', 'a time without offset', source({ occurredAt: '"2026-01-31T11:00:00"' }), /no offset/],
    ['occurred_at_invalid', 'a fraction', source({ occurredAt: '1769860800000.0' }), /whole milliseconds/],
    ['occurred_at_invalid', 'an exponent', source({ occurredAt: '17698608e5' }), /17698608e5/],
    ['occurred_at_invalid', 'milliseconds as a string', source({ occurredAt: '"1769860800000"' }), /RFC 3339/],
    ['occurred_at_too_early', '1970', source({ occurredAt: '"1970-01-01T00:00:00Z"' }), /before 2000/],
    ['occurred_at_too_early', 'the last ms of 1999', source({ occurredAt: '946684799999' }), /before 2000/],
    ['occurred_at_too_early', 'a negative time', source({ occurredAt: '-1' }), /before 2000/],
    ['occurred_at_too_early', 'seconds', source({ occurredAt: '1769860800' }), /in seconds\? Send milliseconds/],
    [
      'occurred_at_ahead',
      'next year',
      source({ occurredAt: '"2027-01-31T11:00:00Z"' }),
      /600000 ms ahead .*2026-01-31T12:00:00.000Z/,
    ],
    ['occurred_at_ahead', 'the end of time', source({ occurredAt: '9'.repeat(300) }), /ahead/],
    ['actor_id_invalid', 'no actor', source({ actorId: undefined }), /actorId is missing/],
    ['actor_id_invalid', 'null as actor', source({ actorId: 'null' }), /actorId is null/],
    ['actor_id_invalid', 'a true actor', source({ actorId: 'true' }), /the boolean true/],
    [
      'receiver_id_invalid',
      'a receiver that is an object',
      source({ receiverId: '{"id":1}' }),
      /receiverId is an object/,
    ],
    ['share_id_invalid', 'an upper-case share', source({ shareId: '"65B9F1C0AAAAAAAAAAAAAAAA"' }), /24 lower-case hex/],
    ['share_id_invalid', 'a short share', source({ shareId: '"65b9f1c0"' }), /24 lower-case hex/],
    [
      'share_id_invalid',
      'a share with a newline',
      source({ shareId: '"65b9f1c0aaaaaaaaaaaaaaaa\\n"' }),
      /24 lower-case/,
    ],
    ['share_id_invalid', 'a share that is a number', source({ shareId: '1' }), /the number 1/],
  ];
  it.each(cases)('%s: %s', (code, _what, data, reason) => {
    const item = rejection(data);
    expect(item.code).toBe(code);
    expect(item.reason).toMatch(reason);
    expect(item.reason.length).toBeLessThan(600);
    expect(Buffer.from(data).equals(item.data)).toBe(true);
  });

  it.each(['0', '-0', '-1', '1e3', '1.0', '1E0', '9223372036854775808', '92233720368547758070', '1'.repeat(40), '0.5'])(
    'refuses %s as a user id, written as a number',
    (id) => {
      expect(rejection(source({ actorId: id })).code).toBe('actor_id_invalid');
      expect(rejection(source({ receiverId: id })).code).toBe('receiver_id_invalid');
      expect(rejection(source({ actorId: id, note: '"\\\\"' })).code).toBe('actor_id_invalid');
    },
  );

  it.each(['', '0', '-1', '+1', '01', '1e3', '1.0', ' 1', '1 ', '1\n', '٣', '9223372036854775808', 'abc'])(
    'refuses %j as a user id, written as a string',
    (id) => {
      expect(rejection(source({ actorId: JSON.stringify(id) })).code).toBe('actor_id_invalid');
    },
  );

  it('names every problem of the event at once', () => {
    const { code, reason } = rejection(
      '{"eventId":"","type":"","occurredAt":0,"actorId":0,"receiverId":0,"shareId":"x"}',
    );
    expect(code).toBe('event_id_invalid');
    for (const name of ['eventId', 'type', 'occurredAt', 'actorId', 'receiverId', 'shareId'])
      expect(reason).toContain(name);
  });
});

describe('decodeRecord', () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
    // An event with some bytes changed, which gets further than noise does.
    fc.tuple(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), fc.nat(200)).map(([changes, end]) => {
      const data = Buffer.from(source());
      for (const [at, byte] of changes) if (at < data.length) data[at] = byte;
      return data.subarray(0, Math.max(end, 1));
    }),
  );

  it('turns any bytes into exactly one event or rejection', () => {
    fc.assert(
      fc.property(garbage, (data) => {
        expect(['event', 'rejection']).toContain(decode(data).kind);
      }),
      { numRuns: 2_000 },
    );
  });

  it('rejects with not_json exactly what JSON.parse refuses, and always says where', () => {
    fc.assert(
      fc.property(garbage, (data) => {
        const text = Buffer.from(data).toString();
        fc.pre(Buffer.from(text).equals(Buffer.from(data)) && text.trim() !== '');
        let refused = false;
        try {
          JSON.parse(text);
        } catch {
          refused = true;
        }
        const item = decode(data);
        const code = item.kind === 'rejection' ? item.code : undefined;
        expect(code === 'not_json').toBe(refused);
        if (item.kind === 'rejection' && refused) expect(item.reason).not.toContain('could not be told');
      }),
      { numRuns: 2_000 },
    );
  });

  it('gives back the digits of any valid id, wherever in the object it stands', () => {
    const member = fc.tuple(
      fc.constantFrom('actor_id', 'eventIdactorId', 'note', 'actorId\\u0020', 'meta'),
      fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(member, { maxLength: 6, selector: ([name]) => name }),
        fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
        (members, last) => {
          const body = members.map(
            ([name, id, nest]) => `"${name}" : ${nest && name === 'meta' ? `{"actorId":${id}}` : id}`,
          );
          // Anywhere among the others.
          body.splice(Number(last % BigInt(body.length + 1)), 0, `"actorId":${last}`, `"receiverId":${last}`);
          const text = `{"eventId":"e","type":"t","occurredAt":${ARRIVAL},${body.join(' ,')}}`;
          expect(event(text)).toMatchObject({ actorId: String(last), receiverId: String(last) });
        },
      ),
    );
  });
});
