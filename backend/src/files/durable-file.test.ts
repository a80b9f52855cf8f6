import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFile } from './durable-file.ts';

describe('a file that several create at once', () => {
  it('is that of one of them, whole, and the others are told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'userpulse-create-'));
    for (let round = 0; round < 20; round++) {
      const path = join(folder, `file-${round}`);
      // Of different lengths, and in pieces, so that a mixture of two shows.
      const contents = Array.from({ length: 8 }, (_, n) => String(n).repeat(1_000 * (n + 1)));
      const made = await Promise.all(
        contents.map((text) =>
          createFile(
            path,
            [...(text.match(/.{1,500}/g) ?? [])].map((part) => Buffer.from(part)),
          ),
        ),
      );
      expect(made.filter(Boolean)).toHaveLength(1);
      expect(await readFile(path, 'utf8')).toBe(contents[made.indexOf(true)]);
    }
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
