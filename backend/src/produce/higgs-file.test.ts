import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { higgsFile, timeSpan } from './higgs-file.ts';
import { replayedSource, type Step } from './source.ts';

const LINES = '223789 213163 1341100972 MT\n223789 213163 1341100972 RE\n376989 50329 1341101181 RT\n';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'userpulse-'));
});
afterAll(() => rm(folder, { recursive: true }));

const file = async (content: string | Uint8Array): Promise<string> => {
  const path = join(folder, `${Math.random()}.txt`);
  await writeFile(path, content);
  return path;
};

const live = new AbortController().signal;
const read = async (path: string, shiftMs = 0): Promise<number[]> => {
  const times: number[] = [];
  for await (const { occurredAtMs } of higgsFile(path, shiftMs, live)) times.push(occurredAtMs);
  return times;
};

describe('higgsFile', () => {
  it('reads plain and gzip files alike, with or without a last newline, and moves the times', async () => {
    const expected = [1_341_100_972_000, 1_341_100_972_000, 1_341_101_181_000];
    expect(await read(await file(LINES))).toEqual(expected);
    expect(await read(await file(LINES.trimEnd()))).toEqual(expected);
    expect(await read(await file(gzipSync(LINES)))).toEqual(expected);
    expect(await read(await file(LINES), 5_000)).toEqual(expected.map((ms) => ms + 5_000));
    expect(await timeSpan(await file(LINES), live)).toEqual({ firstMs: expected[0], lastMs: expected[2] });
  });

  it.each([
    ['that does not exist', () => join(folder, 'absent'), /absent does not exist/],
    ['that is a folder', () => folder, /is a folder/],
    ['that is empty', () => file(''), /is empty/],
    ['that is something else', () => file(`${LINES}hello\n`), /Line 4 of .* is not "actor receiver.*"hello"/],
    ['whose gzip is cut', () => file(gzipSync(LINES.repeat(500)).subarray(0, 60)), /cannot be read/],
  ])('names a file %s', async (_what, path, message) => {
    await expect(read(await path())).rejects.toThrow(message);
  });
});

describe('a replayed file', () => {
  const steps = async (timing: { speed: number | undefined }, times: readonly number[]): Promise<Step[]> => {
    const events = higgsFile(await file(LINES), 0, live);
    const source = replayedSource(events, { speed: timing.speed, rate: undefined, startMs: 1_000 });
    const out: Step[] = [];
    for (const time of times) out.push(await source.next(time));
    return out;
  };

  it('waits as long as the events were apart, at the speed asked', async () => {
    const got = await steps({ speed: 100 }, [1_000, 1_000, 1_000, 3_089, 3_090, 3_090]);
    expect(got.map((step) => (step.kind === 'wait' ? step.ms : step.kind))).toEqual([
      'record',
      'record',
      2_090,
      1,
      'record',
      'end',
    ]);
  });

  it('does not wait without a speed', async () => {
    const got = await steps({ speed: undefined }, [0, 0, 0, 0]);
    expect(got.map((step) => step.kind)).toEqual(['record', 'record', 'record', 'end']);
  });
});
