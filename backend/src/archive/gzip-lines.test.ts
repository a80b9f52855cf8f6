import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, GzipLines } from './gzip-lines.ts';

async function write(lines: readonly Uint8Array[]) {
  let held = 0;
  const gzip = new GzipLines((change) => (held += change));
  for (const line of lines) gzip.append(line);
  const finished = await gzip.finish();
  return { gzip, held: () => held, finished, content: Buffer.concat(finished.chunks) };
}

describe('GzipLines', () => {
  it('is gzip that anyone reads, with every line ended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), async (lines) => {
        const { content, finished } = await write(lines);
        const expected = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
        expect(gunzipSync(content).equals(expected)).toBe(true);
        expect(finished.contentSha256).toBe(createHash('sha256').update(expected).digest('hex'));
        expect(finished).toMatchObject({ bytes: content.length, rawBytes: expected.length, lines: lines.length });
      }),
      { numRuns: 30 },
    );
  });

  it('cuts at 256 KiB wherever that falls, so its bytes depend on the lines alone', async () => {
    const random = randomBytes(3 * CHUNK_BYTES).toString('base64');
    const lines = random.match(/.{1,1000}/g)!.map((line) => Buffer.from(line));
    lines.push(Buffer.from('x'.repeat(2 * CHUNK_BYTES + 1)));
    const [first, second] = await Promise.all([write(lines), write(lines)]);
    expect(first.content.equals(second.content)).toBe(true);
    expect(gunzipSync(first.content).toString()).toBe(lines.map((line) => `${line.toString()}\n`).join(''));
  });

  it('says at any time what it holds: compressed bytes and less than one piece besides', async () => {
    const line = Buffer.from('{"eventId":"one that compresses well"}'.repeat(20));
    const { gzip, held, finished } = await write(Array.from({ length: 5_000 }, () => line));
    expect(held()).toBe(gzip.held);
    expect(gzip.held).toBeLessThan(finished.bytes);
    expect(gzip.held).toBeLessThan(finished.rawBytes / 20);
  });
});
