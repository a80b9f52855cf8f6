import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveCheck } from '../archive/archive-check.ts';
import { checkpointCheck } from '../checkpoint/open-checkpoints.ts';

describe('a folder for archive or checkpoint', () => {
  let root = '';
  const signal = new AbortController().signal;
  const both = async (folder: string): Promise<readonly string[]> => {
    const url = pathToFileURL(folder);
    return [
      (await archiveCheck({ kind: 'file', url }, 'try').run(signal)).state,
      (await checkpointCheck(url, 'try').run(signal)).state,
    ];
  };
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'userpulse-folder-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('is fine when it is there', async () => {
    await mkdir(join(root, 'a'));
    expect(await both(join(root, 'a'))).toEqual(['ok', 'ok']);
  });
  it('is fine when it can be made, and is not made by looking', async () => {
    expect(await both(join(root, 'a/b/c'))).toEqual(['ok', 'ok']);
    expect(await both(join(root, 'a'))).toEqual(['ok', 'ok']);
  });
  it('is left as it was by trying it', async () => {
    await both(root);
    await both(join(root, 'a'));
    expect(await readdir(root)).toEqual([]);
  });
  it('is an error where a file cannot be made, whatever the rights say', async () => {
    // To root, and to access(2), /proc and a folder that is read-only to others are writable.
    expect(await both('/proc/nowhere')).toEqual(['error', 'error']);
    expect(await both('/proc')).toEqual(['error', 'error']);
    await mkdir(join(root, 'shut'));
    await chmod(join(root, 'shut'), 0o500);
    expect(await both(join(root, 'shut/a'))).toEqual(process.getuid?.() === 0 ? ['ok', 'ok'] : ['error', 'error']);
  });
  it('is an error when a file is in its place or above it', async () => {
    await writeFile(join(root, 'file'), '');
    expect(await both(join(root, 'file'))).toEqual(['error', 'error']);
    expect(await both(join(root, 'file/below'))).toEqual(['error', 'error']);
  });
});
