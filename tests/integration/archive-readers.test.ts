import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CODEC_NAMES, CODECS } from '../../backend/src/archive/codecs.ts';
import { PIECE_BYTES } from '../../backend/src/archive/piece-lines.ts';
import { decodeRecord } from '../../backend/src/event/decode.ts';
import { parseRfc3339 } from '../../backend/src/event/timestamp.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';
import { parts, temporaryFolder } from '../support/parts.ts';
import { askClickhouse, askDuckdb, expectReadable, theClickhouse } from '../support/strict-readers.ts';
import { recipe } from '../support/recipes.ts';
import { archiveObjects } from '../support/stored.ts';

const { world } = worldsOfEachTest();
afterAll(async () => (await theClickhouse()).stop());

const MS = Date.UTC(2012, 6, 1, 0, 2, 52, 123);
/** Every form of a time that the contract allows. All of one day, so that a recipe can be asked for it. */
const TIMES = [
  '"2012-07-01T00:02:52.123Z"',
  '"2012-07-01t00:02:52.123z"',
  '"2012-07-01T00:02Z"',
  '"2012-07-01T02:02+02:00"',
  '"2012-07-01T00:02:52-00:00"',
  '"2012-07-01T00:02:52.123999999999Z"',
  '"2012-07-01T23:59:59.5+23:59"',
  '"2012-06-30T18:30:00.5-05:30"',
  '"2012-07-01T00:02:52.1Z"',
  String(MS),
];
/** Members that no rule of the contract is about: what is accepted of them must be readable, too. */
const EXTRAS = [
  '"text":"\\ud83d\\ude00 😀 \\u0000 \\ufffd \ufffd \uffff \u2028 \\/ \\" \\\\ud83d"',
  '"n":1.7976931348623157e308,"m":-1e-99999999999999999999,"big":123456789012345678901234567890,"z":-0.0,"e":1E+2',
  `"n":0.${'3'.repeat(998)}`,
  `"${'k'.repeat(1_000)}":1`,
  '"":1,"a":{"":{"":2}}',
  '"A":"x","a":1,"event_id":2,"eventIds":3,"m":{"Type":1,"type":2}',
  '"a.b":1,"a b":2,"a\\"b":3,"a\\\\b":4,"$oid":5,"__proto__":6,"\\u0065":7,"é😀":8',
  `"d":${'['.repeat(62)}{"eventId":1}${']'.repeat(62)}`,
  `"d":${'{"a":'.repeat(63)}1${'}'.repeat(63)}`,
  '"x":1',
  '"x":"one"',
  '"x":[{"y":1},2,"3",null,true,[]]',
  '"x":{"y":{}}',
  '"date":"2012-07-01","time":"12:00:00","uuid":"0b1f6c1e-77aa-4c2d-9d3e-000000000001","nan":"NaN"',
  `"text":"${'x'.repeat(100_000)}"`,
  ` \t"spaced" \n:\r\n[ 1 ,\t2 ]  `,
];
const IDS = [
  '"receiverId":88',
  '"receiverId":"88","shareId":""',
  '"receiverId":"","shareId":"4ff3a000000000000000abcd"',
  '"shareId":"4ff3a000000000000000abcd"',
  '"receiverId":9223372036854775807,"shareId":null',
];

const eventLine = (n: number, extra: string, time = TIMES[n % TIMES.length]!): string =>
  `{"eventId":"e${n}","type":"${n % 2 === 0 ? 'like' : 'reply'}","occurredAt":${time},"actorId":${n % 3 === 0 ? '9007199254740993' : '"9007199254740993"'},${IDS[n % IDS.length]},${extra}}`;

const isEvent = (line: string): boolean =>
  decodeRecord({ data: Buffer.from(line), approximateArrivalMs: Date.now() }, { maxAheadMs: 0 }).items[0]?.kind ===
  'event';

/** What a hostile producer may send and ingest accepts. */
function hostileLines(): string[] {
  const fixed = EXTRAS.flatMap((extra, n) => [eventLine(2 * n, extra), eventLine(2 * n + 1, extra)]);
  const members = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5 });
  const random = fc.sample(members, { numRuns: 300, seed: 1 }).map((value, n) => {
    const extra = JSON.stringify(value).slice(1, -1);
    return eventLine(1_000 + n, extra === '' ? '"x":0' : extra);
  });
  return [...fixed, ...random].filter(isEvent);
}

describe('DuckDB and ClickHouse', { timeout: 300_000 }, () => {
  it.each(CODEC_NAMES)(
    'read every object of a run with hostile input that ingest accepts, and every dead letter of what it refuses (%s)',
    async (codec) => {
      const w = await world({
        archive: 'file',
        env: {
          USERPULSE_ARCHIVE_CODEC: codec,
          USERPULSE_DECOMPRESS: 'gzip',
          USERPULSE_SPLIT: 'ndjson,array',
          USERPULSE_REJECT_MAX_RATIO: '1',
        },
      });
      const lines = hostileLines();
      expect(lines.length).toBeGreaterThan(300);
      const refused = [
        '{"eventId":"cut","text":"so happy \\ud83d"}',
        eventLine(5_000, '"text":"\\ude00"'),
        eventLine(5_001, '"type":"like"'),
        eventLine(5_002, '"n":1e400'),
        eventLine(5_003, `"d":${'['.repeat(10_000)}${']'.repeat(10_000)}`),
        // Reasons quote what is wrong, cut to a few characters: never to half of one.
        `{"eventId":"e","type":"${'x'.repeat(59)}😀😀"}`,
        `{"a":x${'😀'.repeat(20)}}`,
        `{"a":${'😀'.repeat(20)}}`,
        '\ufeff{}',
        '😀',
      ];
      const records = [
        ...lines.slice(0, 100).map((line) => Buffer.from(line)),
        gzipSync(
          lines
            .slice(100, 200)
            .map((line) => line.replace(/[\r\n]/g, ' '))
            .join('\n'),
        ),
        Buffer.from(`[${lines.slice(200).join(',')}]`),
        ...refused.map((line) => Buffer.from(line)),
        Buffer.from([0xff, 0xfe, 0x7b, 0]),
      ];
      const child = w.ingest();
      await w.putBytes(records);
      await w.untilDurable();
      child.kill('SIGTERM');
      expect(await child.exit).toMatchObject({ code: 0 });
      expect(await w.storedLines('archive')).toHaveLength(lines.length);
      expect(await w.storedLines('rejected')).toHaveLength(refused.length + 1);
      const keys = [...(await w.objects()).keys()];
      expect(keys.filter((key) => key.endsWith(codec === 'gzip' ? '.ndjson.gz' : '.ndjson.zst'))).toEqual(keys);
      await expectReadable(archiveObjects(w.archive));
    },
  );

  it.each(CODEC_NAMES)('read an object of many pieces (%s)', async (codec) => {
    const encoder = CODECS[codec].encoder();
    for (let n = 0; n < 1_500; n++)
      encoder.append(Buffer.from(eventLine(n, `"x":"${randomBytes(600).toString('hex')}"`)));
    const { chunks, rawBytes } = await encoder.finish();
    expect(rawBytes).toBeGreaterThan(4 * PIECE_BYTES);
    const key = `2012/07/01/shardId-000000000000-1-2${CODECS[codec].extension}`;
    await expectReadable([[key, Buffer.concat(chunks)]]);
  });

  it('are asked in a way that finds a single line in an object that they cannot read', async () => {
    const object = (extra: string): [string, Buffer][] => [
      ['2012/07/01/shardId-000000000000-1-2.ndjson.gz', gzipSync(`${eventLine(1, '"x":0')}\n${eventLine(2, extra)}\n`)],
    ];
    await expectReadable(object('"text":"\\ud83d\\ude00"'));
    for (const extra of ['"text":"\\ud83d"', '"type":"share"', '"n":1e400', '"x":{"y":1,"y":2}'])
      await expect(expectReadable(object(extra)), extra).rejects.toThrow();
  });

  it('cannot read what the contract refuses, which is why it does', async () => {
    const folder = await temporaryFolder('refused');
    const write = async (extra: string): Promise<string> => {
      const file = join(folder, 'a.ndjson.gz');
      await writeFile(file, gzipSync(`${eventLine(1, '"x":0')}\n${eventLine(2, extra)}\n`));
      return file;
    };
    const duckdb = (file: string): Promise<unknown> => askDuckdb(`SELECT * FROM read_json('${file}')`);
    const clickhouse = (file: string): Promise<unknown> =>
      askClickhouse(`SELECT toString(json) FROM file('${file}', 'JSONAsObject')`);
    // Half of a character, and a name twice: both.
    for (const extra of ['"text":"so happy \\ud83d"', '"type":"share"']) {
      await expect(duckdb(await write(extra))).rejects.toThrow(/JSON/);
      await expect(clickhouse(await write(extra))).rejects.toThrow(/DB::Exception/);
    }
    // A field in other letters: ClickHouse, as long as a column of its own is still missing.
    const columns = "'eventId String, type String, missing Nullable(String)'";
    await expect(
      askClickhouse(`SELECT * FROM file('${await write('"Type":"x"')}', 'JSONEachRow', ${columns})`),
    ).rejects.toThrow(/Duplicate field/);
    // A number beyond a double, and many levels: ClickHouse. DuckDB 1.5.6 would end this process at 10,000 levels.
    for (const extra of ['"n":1e400', `"d":${'['.repeat(2_000)}${']'.repeat(2_000)}`])
      await expect(clickhouse(await write(extra))).rejects.toThrow(/DB::Exception/);
  });
});

describe('the recipes of docs/archive.md', { timeout: 300_000 }, () => {
  const lines = TIMES.flatMap((time, n) => [eventLine(n, '"x":0', time), eventLine(n + 100, '"T":"x","":1', time)]);
  // Sent twice: once in the result.
  const all = [...lines, lines[0]!];
  const idOf = (text: string | number | null | undefined): string | null =>
    text === null || text === undefined || text === '' ? null : String(text);
  const expected = lines
    .map((line) => {
      const value = JSON.parse(line) as Readonly<Record<string, string | number | null | undefined>>;
      const time = value['occurredAt'];
      const ms = typeof time === 'number' ? time : parseRfc3339(String(time));
      const receiver = /"receiverId":"?(\d+)/.exec(line)?.[1];
      return [value['eventId'], value['type'], String(ms), '9007199254740993', idOf(receiver), idOf(value['shareId'])];
    })
    .map((row) => JSON.stringify(row))
    .sort();
  const likes = String(
    lines.filter((line) => /"receiverId":"?88\b/.test(line) && line.includes('"type":"like"')).length,
  );

  it('give DuckDB the events of the archive, and no dead letters', async () => {
    const folder = await archiveOf(all);
    const [view = '', question = ''] = await recipe('DuckDB');
    await askDuckdb(view.replaceAll('s3://my-archive/userpulse', folder));
    const rows = await askDuckdb(
      'SELECT event_id, type, epoch_ms(occurred_at), actor_id, receiver_id, share_id FROM events',
    );
    expect(rows.map((row) => JSON.stringify(row)).sort()).toEqual(expected);
    expect((await askDuckdb(question)).find(([type]) => type === 'like')).toEqual(['like', likes]);
  });

  it('give ClickHouse the events of an archive on S3, and no dead letters', async () => {
    const w = await world({ archive: 's3' });
    const child = w.ingest();
    await w.putBytes([...all, 'no event'].map((line) => Buffer.from(line)));
    await w.untilDurable();
    child.kill('SIGTERM');
    await child.exit;
    const { endpoint, accessKeyId, secretAccessKey } = parts().s3;
    if (w.archive.kind !== 's3') throw new Error('The archive is not on S3.');
    const [view = '', question = ''] = await recipe('ClickHouse');
    const url = /'https:\/\/my-archive\.s3\.eu-west-1\.amazonaws\.com\/userpulse([^']*)'/;
    expect(view).toMatch(url);
    await askClickhouse(
      view.replace(url, `'${endpoint}/${w.archive.bucket}/raw$1', '${accessKeyId}', '${secretAccessKey}'`),
    );
    const rows = await askClickhouse(
      'SELECT event_id, type, toUnixTimestamp64Milli(occurred_at), actor_id, receiver_id, share_id FROM events',
    );
    expect(rows.map((row) => JSON.stringify(row)).sort()).toEqual(expected);
    expect((await askClickhouse(question)).find(([type]) => type === 'like')).toEqual(['like', likes]);
  });
});

/** An archive of one object and one of dead letters, in a folder. */
async function archiveOf(lines: readonly string[]): Promise<string> {
  const folder = await temporaryFolder('recipe');
  for (const [key, content] of [
    ['2012/07/01/shardId-000000000000-1-2.ndjson.gz', lines.map((line) => `${line}\n`).join('')],
    ['_rejected/2012/07/01/shardId-000000000000-1-2.ndjson.gz', '{"code":"not_json","eventId":"letter"}\n'],
  ] as const) {
    await mkdir(dirname(join(folder, key)), { recursive: true });
    await writeFile(join(folder, key), gzipSync(content));
  }
  return folder;
}
