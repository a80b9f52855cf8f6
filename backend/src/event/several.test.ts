import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { beforeAll, describe, expect, it } from 'vitest';
import { decompress, MAX_DECOMPRESSED_BYTES } from './decompress.ts';
import { decodeRecord, type DecodedItem } from './decode.ts';
import { aggregate } from './kpl.ts';
import { ARRIVAL_MS, decoded, rejectionOf, source } from './testing.ts';

const event = (id: string): string => source({ eventId: `"${id}"` });
/** What became of a record: positions, ids and codes. */
const outline = (items: readonly DecodedItem[]): string[] =>
  items.map((item) => `${item.subSequence ?? '-'} ${item.kind === 'event' ? item.event.eventId : item.code}`);
const bytesOf = (item: DecodedItem | undefined): string =>
  item === undefined ? '' : Buffer.from(item.kind === 'event' ? item.line : item.data).toString();

describe('USERPULSE_DECOMPRESS=gzip', () => {
  const options = { decompress: ['gzip'] } as const;

  it('archives the line that was compressed', () => {
    const items = decoded(gzipSync(`${event('a')}\n`), options);
    expect(outline(items)).toEqual(['- a']);
    expect(bytesOf(items[0])).toBe(event('a'));
  });

  it('leaves records alone that are not compressed', () => {
    expect(outline(decoded(event('a'), options))).toEqual(['- a']);
  });

  it('keeps the bytes received of a record that is no event', () => {
    const data = gzipSync('{"eventId":1}');
    const letter = rejectionOf(data, options);
    expect(letter.code).toBe('event_id_invalid');
    expect(Buffer.from(letter.data).equals(data)).toBe(true);
  });

  it('reads several members one behind the other, as gzip itself does', () => {
    const text = event('a');
    const data = Buffer.concat([gzipSync(text.slice(0, 10)), gzipSync(''), gzipSync(text.slice(10))]);
    expect(outline(decoded(data, options))).toEqual(['- a']);
  });

  it.each<[string, Buffer, RegExp]>([
    ['cut', gzipSync(event('a')).subarray(0, -9), /^The record ends before its gzip data does\./],
    ['only its magic number', Buffer.from([0x1f, 0x8b]), /ends before its gzip data does/],
    [
      'altered',
      gzipSync(event('a')).map((byte, i) => (i === 30 ? byte ^ 1 : byte)) as Buffer,
      /cut or altered|ends before/,
    ],
    ['followed by other bytes', Buffer.concat([gzipSync(event('a')), Buffer.from('x'.repeat(20))]), /cut or altered/],
    [
      'followed by zero bytes',
      Buffer.concat([gzipSync(event('a')), Buffer.alloc(3)]),
      /3 bytes behind its gzip data|cut or altered/,
    ],
    [
      'a bomb',
      gzipSync(Buffer.alloc(MAX_DECOMPRESSED_BYTES + 1, 0x20)),
      /has more than 10485760 bytes when decompressed/,
    ],
    [
      'a bomb in two members',
      Buffer.concat([gzipSync(Buffer.alloc(MAX_DECOMPRESSED_BYTES, 0x20)), gzipSync(' ')]),
      /more than 10485760/,
    ],
  ])('makes one dead letter of what is %s', (_what, data, reason) => {
    const letter = rejectionOf(data, options);
    expect(letter).toMatchObject({ code: 'decompress_failed', reason: expect.stringMatching(reason) as string });
    expect(Buffer.from(letter.data).equals(data)).toBe(true);
  });

  it('takes a record of exactly the most bytes', () => {
    const text = event('a');
    const data = gzipSync(text + ' '.repeat(MAX_DECOMPRESSED_BYTES - text.length));
    const { items, decompressedBytes } = decodeRecord(
      { data, approximateArrivalMs: ARRIVAL_MS },
      { maxAheadMs: 0, ...options },
    );
    expect(outline(items)).toEqual(['- a']);
    expect(decompressedBytes).toBe(MAX_DECOMPRESSED_BYTES);
  });

  it('decompresses once only, and says so', () => {
    expect(rejectionOf(gzipSync(gzipSync(event('a'))), options).reason).toMatch(
      /^The record, decompressed, is compressed with gzip/,
    );
  });

  it('decompresses user records inside a KPL aggregate', () => {
    const records = [event('a'), gzipSync(event('b')), gzipSync('x')].map((data) => ({
      data: Buffer.from(data),
      partitionKey: '1',
    }));
    const items = decoded(aggregate(records).data, options);
    expect(outline(items)).toEqual(['0 a', '1 b', '2 not_json']);
    expect(Buffer.from(bytesOf(items[1])).toString()).toBe(event('b'));
  });

  it('names the setting where a record is compressed otherwise', () => {
    expect(rejectionOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), options).reason).toContain(
      'USERPULSE_DECOMPRESS=zstd',
    );
  });
});

describe('zstd', () => {
  // DuckDB writes the format; no part of Userpulse does.
  let compressed: Buffer;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'userpulse-zstd-'));
    const database = await DuckDBInstance.create(':memory:');
    const connection = await database.connect();
    const file = join(folder, 'event.zst');
    await connection.run(
      `COPY (SELECT $text) TO '${file}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\t', COMPRESSION zstd)`,
      { text: event('a') },
    );
    compressed = readFileSync(file);
    connection.closeSync();
    database.closeSync();
    rmSync(folder, { recursive: true });
  });

  it('is named in the reason', () => {
    expect(rejectionOf(compressed).reason).toBe(
      'The record is compressed with zstd. Send it uncompressed, or let ingest decompress such records: USERPULSE_DECOMPRESS=zstd.',
    );
  });

  it('is decompressed where the setting asks for it', () => {
    const options = { decompress: ['zstd'] } as const;
    const items = decoded(compressed, options);
    expect(outline(items)).toEqual(['- a']);
    expect(bytesOf(items[0])).toBe(event('a'));
    // Frames one behind the other, of which Node reads the first only.
    expect(decompress(Buffer.concat([compressed, compressed]), 'zstd')).toHaveLength(2 * (event('a').length + 1));
    expect(rejectionOf(compressed.subarray(0, -3), options)).toMatchObject({ code: 'decompress_failed' });
    expect(rejectionOf(Buffer.concat([compressed, Buffer.from('x')]), options).reason).toContain('1 bytes behind');
  });
});

describe('USERPULSE_SPLIT=ndjson', () => {
  const options = { split: ['ndjson'] } as const;

  it('makes each line an event or a dead letter of its own', () => {
    const items = decoded(`${event('a')}\r\n\n  ${event('b')} \n{"eventId":\n${event('c')}\nnonsense\n`, options);
    expect(outline(items)).toEqual(['0 a', '1 b', '2 not_json', '3 c', '4 not_json']);
    expect(items.map(bytesOf)).toEqual([event('a'), event('b'), '{"eventId":', event('c'), 'nonsense']);
  });

  it('splits objects with nothing between them', () => {
    const items = decoded(`${event('a')}${event('b')} ${event('c')}{"cut`, options);
    expect(outline(items)).toEqual(['0 a', '1 b', '2 c', '3 not_json']);
  });

  it('is not misled by braces and quotes in strings', () => {
    const tricky = source({ text: '"}{\\"}\\\\"', m: '[{"a":"]}"}]' });
    const items = decoded(`${tricky}${tricky}\n${tricky}`, options);
    expect(items.map(bytesOf)).toEqual([tricky, tricky, tricky]);
  });

  it('leaves a record as it is that is one event, over several lines or not', () => {
    const pretty = JSON.stringify(JSON.parse(event('a')), undefined, 2);
    expect(outline(decoded(`${pretty}\n`, options))).toEqual(['- a']);
    expect(outline(decoded(`${event('a')}\n`, options))).toEqual(['- a']);
  });

  it('leaves a record as one dead letter in which no line is an object', () => {
    for (const text of ['a,b\n1,2\n', '{\n"eventId": "a",\n', '1\n2\n', '\u001f\n\u001f'])
      expect(outline(decoded(text, options))).toEqual(['- not_json']);
  });

  it('keeps the good lines beside one that is not UTF-8', () => {
    const data = Buffer.concat([Buffer.from(`${event('a')}\n`), Buffer.from([0xff, 0x0a]), Buffer.from(event('b'))]);
    const items = decoded(data, options);
    expect(outline(items)).toEqual(['0 a', '1 not_utf8', '2 b']);
  });

  it('counts positions through an aggregate of such records', () => {
    const records = [`${event('a')}\n${event('b')}`, event('c'), 'x'].map((data) => ({
      data: Buffer.from(data),
      partitionKey: '1',
    }));
    expect(outline(decoded(aggregate(records).data, options))).toEqual(['0 a', '1 b', '2 c', '3 not_json']);
  });

  it('splits what was compressed; a dead letter holds its own line', () => {
    const items = decoded(gzipSync(`${event('a')}\n{"eventId":1}\n`), { ...options, decompress: ['gzip'] });
    expect(outline(items)).toEqual(['0 a', '1 event_id_invalid']);
    expect(items.map(bytesOf)).toEqual([event('a'), '{"eventId":1}']);
    // Put back on the stream, it is a record of its own.
    expect(outline(decoded(bytesOf(items[1]), options))).toEqual(['- event_id_invalid']);
  });

  it('makes one dead letter of a record with more lines than the largest has room for', () => {
    expect(outline(decoded('{}\n'.repeat(100_001), options))).toEqual(['- too_many_events']);
    expect(decoded('{}\n'.repeat(100_000), options)).toHaveLength(100_000);
  }, 60_000);

  it('reads every byte of hostile lines once or twice', () => {
    // Quadratic work would take hours.
    for (const text of ['{\n', '{"\n', '[\n', '{"a":"\\', '{{{{{{{{', '}\n{'])
      expect(decoded(text.repeat(1 << 20), options).length).toBeGreaterThan(0);
  }, 60_000);
});

describe('USERPULSE_SPLIT=array', () => {
  const options = { split: ['array'] } as const;

  it('makes each item an event or a dead letter of its own', () => {
    const items = decoded(` [${event('a')} ,\n${event('b')},1,"x,]",[{}],null]\n`, options);
    expect(outline(items)).toEqual([
      '0 a',
      '1 b',
      '2 not_an_object',
      '3 not_an_object',
      '4 not_an_object',
      '5 not_an_object',
    ]);
    expect(items.map(bytesOf)).toEqual([event('a'), event('b'), '1', '"x,]"', '[{}]', 'null']);
  });

  it('numbers the item of an array of one', () => {
    expect(outline(decoded(`[${event('a')}]`, options))).toEqual(['0 a']);
  });

  it('makes the line breaks inside an item spaces', () => {
    const pretty = JSON.stringify([JSON.parse(event('a'))], undefined, 1);
    const [item] = decoded(pretty, options);
    expect(bytesOf(item)).not.toMatch(/[\r\n]/);
    expect(JSON.parse(bytesOf(item))).toEqual(JSON.parse(event('a')));
  });

  it('makes one dead letter of an array that is empty or broken', () => {
    expect(outline(decoded('[]', options))).toEqual(['- record_empty']);
    expect(outline(decoded(`[${event('a')},]`, options))).toEqual(['- not_json']);
    expect(outline(decoded(`[${event('a')}`, options))).toEqual(['- not_json']);
  });

  it('does not split lines, nor does ndjson split arrays', () => {
    expect(outline(decoded(`${event('a')}\n${event('b')}`, options))).toEqual(['- not_json']);
    expect(outline(decoded(`[${event('a')}]`, { split: ['ndjson'] }))).toEqual(['- not_an_object']);
  });
});
