import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import type { ArchiveObject } from './archive-writer.ts';
import { FileArchiveReader } from './file-reader.ts';
import { FileArchiveWriter } from './file-writer.ts';
import { CODECS } from './codecs.ts';

let folder: string;
const retries: string[] = [];
beforeEach(async () => {
  retries.length = 0;
  folder = await mkdtemp(join(tmpdir(), 'userpulse-archive-'));
});
afterEach(() => rm(folder, { recursive: true }));

const archive = (at = folder) =>
  new FileArchiveWriter({
    url: pathToFileURL(at),
    codec: 'gzip',
    clock: new VirtualClock(),
    logger: pino({ level: 'silent' }),
    onRetry: (reason) => retries.push(reason),
  });
const go = new AbortController().signal;
const KEY = '2012/07/01/shardId-000000000000-1-2.ndjson.gz';
async function object(...lines: string[]): Promise<ArchiveObject> {
  const gzip = CODECS.gzip.encoder();
  for (const line of lines) gzip.append(Buffer.from(line));
  const { chunks, bytes, contentSha256 } = await gzip.finish();
  return { key: KEY, codec: 'gzip', chunks, bytes, contentSha256 };
}

describe('FileArchiveWriter', () => {
  it('writes the object under its key and leaves nothing else behind', async () => {
    const one = await object('a', 'b');
    await archive().put(one, go);
    expect((await readFile(join(folder, KEY))).equals(Buffer.concat(one.chunks))).toBe(true);
    expect(await readdir(join(folder, '2012/07/01'))).toEqual(['shardId-000000000000-1-2.ndjson.gz']);
  });

  it('lists what begins with a prefix, and nothing where there is no such day', async () => {
    await archive().put(await object('a', 'b'), go);
    expect(await archive().keysBelow('2012/07/01/shardId-000000000000-', go)).toEqual([KEY]);
    expect(await archive().keysBelow('2012/07/01/shardId-000000000001-', go)).toEqual([]);
    expect(await archive().keysBelow('2012/07/02/', go)).toEqual([]);
  });

  it('takes equal content that is there already for written, also where another zlib compressed it', async () => {
    await archive().put(await object('a', 'b'), go);
    await archive().put(await object('a', 'b'), go);
    await writeFile(join(folder, KEY), gzipSync('a\nb\n', { level: 1 }));
    await archive().put(await object('a', 'b'), go);
  });

  it.each([
    ['other lines', () => gzipSync('a\nc\n')],
    ['a file that was cut off', () => gzipSync('a\nb\n').subarray(0, 12)],
    ['no gzip', () => Buffer.from('a\nb\n')],
  ])('never replaces other content: %s', async (_, content) => {
    await archive().put(await object('x'), go);
    await writeFile(join(folder, KEY), content());
    await expect(archive().put(await object('a', 'b'), go)).rejects.toMatchObject({ code: 'archive_conflict' });
    expect((await readFile(join(folder, KEY))).equals(content())).toBe(true);
  });

  it('is not disturbed by what a crash left half-written beside the place, nor is who reads', async () => {
    await archive().put({ ...(await object('x')), key: '2012/07/01/other' }, go);
    await writeFile(join(folder, '2012/07/01/.shardId-000000000000-1-2.ndjson.gz.tmp'), 'half');
    await archive().put(await object('a'), go);
    const keys: string[] = [];
    for await (const { key } of new FileArchiveReader(pathToFileURL(folder)).list('2012/', '2013', go)) keys.push(key);
    expect(keys.sort()).toEqual(['2012/07/01/other', KEY]);
  });

  it('tries again while the folder cannot be written, and goes on when it can', async () => {
    const blocked = join(folder, 'blocked');
    await writeFile(blocked, 'a file where a folder should be');
    const put = archive(blocked).put(await object('a'), go);
    while (retries.length < 3) await new Promise((resolve) => setImmediate(resolve));
    await rm(blocked);
    await put;
    expect(await readdir(join(blocked, '2012/07/01'))).toHaveLength(1);
  });
});
