import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import { FileArchiveReader } from './file-reader.ts';
import { FileArchiveWriter } from './file-writer.ts';
import { readTotalsSplit, splitTotals } from './totals-split.ts';

const go = new AbortController().signal;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'userpulse-split-'));
});
afterEach(() => rm(folder, { recursive: true }));

function archive(at = folder) {
  const url = pathToFileURL(at);
  const logger = pino({ level: 'silent' });
  const writer = new FileArchiveWriter({ url, codec: 'gzip', clock: systemClock, logger, onRetry: () => undefined });
  return { reader: new FileArchiveReader(url), writer };
}
const split = (now: string, maxAheadMs = 600_000, at = folder): Promise<number> =>
  splitTotals(archive(at), { nowMs: Date.parse(now), maxAheadMs }, go);

describe('totals', () => {
  it('are not split where nobody has said so, in an archive that is not there yet, too', async () => {
    expect(await readTotalsSplit(archive().reader, go)).toBeUndefined();
    expect(await readTotalsSplit(archive(join(folder, 'none')).reader, go)).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ['2026-11-26T22:00:00Z', 600_000, '2026-11-27T00:00:00Z'],
    // An event of the 27th may have been written already.
    ['2026-11-26T23:40:00Z', 600_000, '2026-11-28T00:00:00Z'],
    ['2026-11-26T22:00:00Z', 86_400_000, '2026-11-28T00:00:00Z'],
    ['2026-12-31T00:00:00Z', 0, '2027-01-01T00:00:00Z'],
  ])('are split at %s, events being %i ms ahead at most, from %s on', async (now, maxAheadMs, from) => {
    expect(new Date(await split(now, maxAheadMs))).toEqual(new Date(from));
    expect(new Date((await readTotalsSplit(archive().reader, go))!)).toEqual(new Date(from));
  });

  it('stay split from the day that was decided first, whoever decides later or at the same time', async () => {
    const first = await split('2026-11-26T22:00:00Z');
    expect(await split('2027-05-01T00:00:00Z')).toBe(first);
    const both = join(folder, 'both');
    const starts = ['2026-11-26T22:00:00Z', '2026-11-28T22:00:00Z', '2026-11-26T22:00:01Z'];
    expect(new Set(await Promise.all(starts.map((now) => split(now, 0, both)))).size).toBe(1);
  });

  it.each(['{"version":1,"from":"2026-02-31"}', '{"version":2,"from":"2026/11/27"}', '{}', 'no json'])(
    'are not guessed at where the archive says %s',
    async (text) => {
      await mkdir(join(folder, '_control'));
      await writeFile(join(folder, '_control', 'totals-split.ndjson.gz'), gzipSync(`${text}\n`));
      await expect(readTotalsSplit(archive().reader, go)).rejects.toMatchObject({ code: 'archive_damaged' });
    },
  );
});
