import { gzipSync, deflateSync } from 'node:zlib';
import { EJSON, Long, ObjectId } from 'bson';
import { describe, expect, it } from 'vitest';
import { ARRIVAL_MS, rejectionOf, source } from './testing.ts';

/*
 * What a dead letter says to the people who own the producer: what the record is, and what to change. The tables are the kinds of mistakes that
 * producers really make; `decode.test.ts` has the rules themselves.
 */

const reasonFor = (data: string | Uint8Array): string => rejectionOf(data).reason;

describe('the reason for a time', () => {
  it.each([
    [String(ARRIVAL_MS / 1_000), /before 2000.* Is it in seconds\? Send milliseconds\./],
    [String(ARRIVAL_MS * 1_000), /ahead of the arrival.* Is it in microseconds\? Send milliseconds\./],
    [String(BigInt(ARRIVAL_MS) * 1_000_000n), /Is it in nanoseconds\? Send milliseconds\./],
    [String((BigInt(ARRIVAL_MS) + 62_135_596_800_000n) * 10_000n), /Is it in 100-nanosecond ticks of \.NET\?/],
    ['20484', /Is it in days\?/],
    [`${ARRIVAL_MS / 1_000}.123456`, /whole milliseconds.* Is it in seconds\? Send milliseconds\./],
    [`${ARRIVAL_MS}.0`, /whole milliseconds.* Send milliseconds as an integer\./],
    ['1.7698608e12', /whole milliseconds.* Send milliseconds as an integer\./],
    [`"${ARRIVAL_MS}"`, /Are these milliseconds\? Send them as a number, without quotes\./],
    [`"${ARRIVAL_MS / 1_000}"`, /Is it in seconds\? Send milliseconds, as a number without quotes\./],
    [`"${ARRIVAL_MS / 1_000}.5"`, /Is it in seconds\?/],
    ['"2026-01-31 11:59:59Z"', /A T belongs between day and time/],
    ['"2026-01-31T11:59:59+00"', /The offset has minutes, too/],
    ['"2026-01-31T11:59:59+0200"', /The offset has a colon/],
    ['"2026-01-31T11:59:59,500Z"', /follows a dot, not a comma/],
    ['"2026-01-31T11:59:59 UTC"', /Send Z for UTC/],
    ['"2026-01-31T11:59:59"', /has no offset: end it with Z/],
    ['"2026-01-31T11:59"', /has no offset: end it with Z/],
    ['"2026-01-31"', /a day without a time/],
    ['"20260131T115959Z"', /basic format of ISO 8601/],
    ['"Sat, 31 Jan 2026 11:59:59 GMT"', /for HTTP headers/],
    ['"31.01.2026 11:59:59"', /The year comes first/],
    ['"2026-01-31T12:59:59+01:00[Europe/Paris]"', /ZonedDateTime of Java/],
    ['"/Date(1769860800000)/"', /\.NET/],
    ['[2026,1,31,11,59,59]', /WRITE_DATES_AS_TIMESTAMPS/],
    ['{"seconds":1769860799,"nanos":0}', /protobuf/],
    [EJSON.stringify(new Date(ARRIVAL_MS)), /MongoDB extended JSON \(\$date\)/],
    [EJSON.stringify(new Date(ARRIVAL_MS), { relaxed: false }), /MongoDB extended JSON \(\$date\)/],
    ['"null"', /Does the text "null" stand for no value\? The field is required\./],
  ])('asks the right question about %s', (occurredAt, expected) => {
    expect(reasonFor(source({ occurredAt }))).toMatch(expected);
  });

  it('does not ask about a time that is wrong in any unit', () => {
    expect(reasonFor(source({ occurredAt: '-5' }))).not.toContain('Is it');
    expect(reasonFor(source({ occurredAt: '"5000000000000000000000000"' }))).not.toContain('Is it');
  });
});

describe('the reason for an id', () => {
  it.each([
    ['88.0', /floating-point number: send an integer/],
    ['8.8e1', /floating-point number/],
    ['"88.0"', /floating-point number/],
    ['0', /Does it stand for no user\? Leave the member out/],
    ['-1', /Does it stand for no user\?/],
    ['"0"', /Does it stand for no user\?/],
    ['"null"', /Does the text "null" stand for no value\? Leave the member out, or send null without quotes\./],
    ['"undefined"', /stand for no value/],
    ['"None"', /stand for no value/],
    ['"NaN"', /stand for no value/],
    ['" 88"', /digits alone, without white space/],
    ['"88\\n"', /digits alone, without white space/],
    ['"0088"', /leading zeros/],
    ['"+88"', /sign/],
    ['"1,234,567"', /without separators/],
    ['"88n"', /BigInt of JavaScript/],
    ['"0x58"', /in decimal/],
    ['"0b1f6c1e-77aa-4c2d-9d3e-000000000001"', /UUID/],
    ['[88]', /is an array/],
    ['{"low":88,"high":0,"unsigned":false}', /Long\.js/],
    [JSON.stringify(Long.fromString('88')), /Long\.js/],
    [EJSON.stringify(Long.fromString('88'), { relaxed: false }), /MongoDB extended JSON \(\$numberLong\)/],
    ['{"N":"88"}', /DynamoDB JSON/],
  ])('asks the right question about %s', (receiverId, expected) => {
    const { code, reason } = rejectionOf(source({ receiverId }));
    expect(code).toBe('receiver_id_invalid');
    expect(reason).toMatch(expected);
  });

  it.each([
    ['"65B9F1C0AAAAAAAAAAAAAAAA"', /Send it as "65b9f1c0aaaaaaaaaaaaaaaa"/],
    ['"ObjectId(\'65b9f1c0aaaaaaaaaaaaaaaa\')"', /toHexString/],
    ['"0b1f6c1e-77aa-4c2d-9d3e-000000000001"', /UUID/],
    [JSON.stringify(new ObjectId('65b9f1c0aaaaaaaaaaaaaaaa').toString('base64')), /base64/],
    [EJSON.stringify(new ObjectId('65b9f1c0aaaaaaaaaaaaaaaa')), /MongoDB extended JSON \(\$oid\)/],
    ['"null"', /stand for no value/],
  ])('asks the right question about the share %s', (shareId, expected) => {
    const { code, reason } = rejectionOf(source({ shareId }));
    expect(code).toBe('share_id_invalid');
    expect(reason).toMatch(expected);
  });
});

describe('the reason for a type', () => {
  it.each([
    ['"Like"', '"like"'],
    ['" like "', '"like"'],
    ['"post liked"', '"post_liked"'],
    ['"post-liked"', '"post_liked"'],
    ['"postLiked"', '"post_liked"'],
    ['"POST_LIKED"', '"post_liked"'],
    ['"post.liked"', '"post_liked"'],
  ])('shows how %s could be sent', (type, instead) => {
    expect(reasonFor(source({ type }))).toContain(`It could be sent as ${instead}.`);
  });

  it('shows nothing where there is no such way', () => {
    expect(reasonFor(source({ type: '"1st"' }))).not.toContain('could be');
    expect(reasonFor(source({ type: '"♥"' }))).not.toContain('could be');
  });
});

describe('the reason for a name', () => {
  it.each(['event_id', 'EventId', 'eventID', 'eventid', 'event-id'])('shows that %s is spelled otherwise', (name) => {
    expect(reasonFor(source({ eventId: undefined, [name]: '"e1"' }))).toContain(
      `The record has "${name}": the contract spells it "eventId".`,
    );
  });

  it.each([
    [
      source({ receiverId: undefined, receiverID: '88' }),
      'receiver_id_invalid',
      'The record has "receiverID": the contract spells it "receiverId".',
    ],
    [
      source({ shareId: '""', ShareId: '"x"' }),
      'share_id_invalid',
      'The record has "ShareId": the contract spells it "shareId".',
    ],
    [
      source({ Type: '"mobile"' }),
      'type_invalid',
      'The record has "Type" beside "type": readers that ignore case take one for the other. Rename it.',
    ],
  ])('is given where a valid event has a field in other letters, too', (text, code, reason) => {
    expect(rejectionOf(text)).toMatchObject({ code, reason });
  });

  it('shows it of a missing target', () => {
    const text = source({ receiverId: undefined, shareId: undefined, receiver_id: '88' });
    expect(reasonFor(text)).toContain('The record has "receiver_id"');
  });
});

describe('the reason for an envelope', () => {
  // The record of https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html and of Powertools' CloudWatchLogsSchema.
  const CLOUDWATCH_LOGS = Buffer.from(
    'H4sIAAAAAAAAAHWPwQqCQBCGX0Xm7EFtK+smZBEUgXoLCdMhFtKV3akI8d0bLYmibvPPN3wz00CJxmQnTO41whwWQRIctmEcB6sQbFC3CjW3XW8kxpOpP+OC22d1Wml1qZkQGtoMsScxaczKN3plG8zlaHIta5KqWsozoTYw3/djzwhpLwivWFGHGpAFe7DL68JlBUk+l7KSN7tCOEJ4M3/qOI49vMHj+zCKdlFqLaU2ZHV2a4Ct/an0/ivdX8oYc1UVX860fQDQiMdxRQEAAA==',
    'base64',
  );

  it('names gzip, and after decompression CloudWatch Logs', () => {
    expect(rejectionOf(CLOUDWATCH_LOGS)).toMatchObject({
      code: 'not_utf8',
      reason:
        'The record is compressed with gzip. Send it uncompressed, or let ingest decompress such records: USERPULSE_DECOMPRESS=gzip.',
    });
    expect(rejectionOf(CLOUDWATCH_LOGS, { decompress: ['gzip'] }).reason).toMatch(
      /^The record, decompressed, is a CloudWatch Logs subscription record, not an event\. .*logEvents\[\]\.message/,
    );
  });

  it.each([
    ['{"version":"0","id":"1","detail-type":"like","source":"app","detail":{}}', /EventBridge event.*\$\.detail/],
    [
      '{"Type":"Notification","MessageId":"1","TopicArn":"arn","Message":"{}"}',
      /SNS notification.*raw message delivery/,
    ],
    ['{"Records":[]}', /as Lambda receives it/],
    ['{"awsRegion":"eu-west-1","eventName":"INSERT","dynamodb":{},"tableName":"likes"}', /DynamoDB.*NewImage/],
    ['{"data":{},"metadata":{"record-type":"data"}}', /AWS DMS/],
    ['{"schema":{},"payload":{}}', /Kafka Connect/],
    ['{"before":null,"after":{},"op":"c","source":{}}', /Debezium/],
    ['{"specversion":"1.0","id":"1","source":"/app","type":"like","data":{}}', /CloudEvents/],
  ])('is recognized: %s', (data, expected) => {
    expect(reasonFor(data)).toMatch(expected);
  });

  it('is not given for an event that has such members, too', () => {
    const reason = reasonFor(
      source({ type: '1', data: '{}', metadata: '{}', schema: '1', payload: '1', Records: '[]' }),
    );
    expect(reason).toMatch(/^type is the number 1/);
  });
});

describe('the reason for what is not JSON', () => {
  const event = source();
  it.each<[string, string | Uint8Array, RegExp]>([
    ['gzip', gzipSync(event), /compressed with gzip.*USERPULSE_DECOMPRESS=gzip/],
    ['zlib', deflateSync(event), /is zlib data/],
    ['UTF-16 with its mark', Buffer.from(`\ufeff${event}`, 'utf16le'), /is UTF-16 \(little-endian\)/],
    ['UTF-16 without its mark', Buffer.from(event, 'utf16le'), /is UTF-16 \(little-endian\)/],
    ['UTF-16, big-endian', Buffer.from(`\ufeff${event}`, 'utf16le').swap16(), /is UTF-16 \(big-endian\)/],
    ['a byte order mark', `\ufeff${event}`, /byte order mark/],
    ['Latin-1', Buffer.from(source({ text: '"é"' }), 'latin1'), /not UTF-8: byte \d+ is 0xe9\. Is it Latin-1/],
    ['a cut character', Buffer.from(source({ text: '"😀"' })).subarray(0, -3), /was the record cut\?/],
    ['CESU-8', Buffer.from([0x22, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, 0x22]), /byte 2 is 0xed.*modified UTF-8/],
    ['base64', Buffer.from(event).toString('base64'), /is base64 of JSON.*hand them the bytes/],
    ['base64 of gzip', gzipSync(event).toString('base64'), /is base64 of gzip/],
    ['JSON in JSON', JSON.stringify(event), /a string that holds JSON.*encoded twice/],
    ['a JavaScript object', '[object Object]', /JSON\.stringify/],
    ['a Python dict', "{'eventId': 'e1'}", /of a Python dict, send json\.dumps/],
    ["Python's None", source({ receiverId: 'None' }), /stands None, which JSON does not have: send null/],
    ['NaN', source({ score: 'NaN' }), /stands NaN, which JSON does not have/],
    ['form data', 'eventId=e1&type=like&actorId=1', /is form data/],
    ['XML', '<event id="e1"/>', /is XML or HTML/],
    ['zero bytes behind it', `${event}\0\0\0`, /zero bytes follow the first value/],
    ['an Avro file', Buffer.from('Obj\u0001\u0004\u0014avro.codec', 'latin1'), /is an Avro file/],
    ['a schema registry', Buffer.from([0, 0, 0, 0, 7, 2, 0x41]), /schema registry/],
    ['the Glue Schema Registry', Buffer.concat([Buffer.from([3, 0]), Buffer.alloc(16, 7)]), /AWS Glue Schema Registry/],
    ['a second object', `${event}${event}`, /follows the first value, .*USERPULSE_SPLIT=ndjson/],
    ['a second line', `${event}\n${event}\n`, /follows the first value, .*USERPULSE_SPLIT=ndjson/],
    ['an array', `[${event}]`, /is an array\. .*USERPULSE_SPLIT=array/],
  ])('says what it is: %s', (_what, data, expected) => {
    expect(reasonFor(data)).toMatch(expected);
  });

  it('names the first byte that is not UTF-8, wherever it stands', () => {
    for (const before of [0, 1, 2, 3, 5, 100, 4_099]) {
      for (const filler of ['a', 'é', '€', '😀']) {
        const start = Buffer.from(filler.repeat(before));
        for (const wrong of [[0xff], [0xc0, 0x80], [0x80, 0x80, 0x80, 0x80, 0x80], [0xe2, 0x82], [0xf0, 0x9f, 0x98]]) {
          const reason = reasonFor(Buffer.concat([start, Buffer.from(wrong), Buffer.from('zz€')]));
          expect(reason).toContain(`byte ${start.length + 1} is 0x${wrong[0]!.toString(16)}.`);
        }
      }
    }
  });
});
