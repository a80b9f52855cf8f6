import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, BlockMemory, releaseBytes } from './blocks.ts';

const SIXTEENTH = BLOCK_BYTES / 16;

/** Everything that is spare is taken, so that a test begins with fresh blocks. */
function emptied(): void {
  const hoarder = new BlockMemory();
  for (let n = 0; n < 300; n++) hoarder.take(BLOCK_BYTES);
}

function filled(memory: BlockMemory, bytes: number, value: number): Buffer {
  return memory.take(bytes).fill(value);
}

describe('BlockMemory', () => {
  it('puts what is taken side by side, and never where something lies', () => {
    const memory = new BlockMemory();
    const parts = Array.from({ length: 40 }, (_, n) => filled(memory, SIXTEENTH, n));
    for (const [n, part] of parts.entries()) expect(part.equals(Buffer.alloc(SIXTEENTH, n))).toBe(true);
    expect(new Set(parts.map((part) => part.buffer)).size).toBe(3);
  });

  it('uses a block again when all of its parts are released, and not before', () => {
    emptied();
    const memory = new BlockMemory();
    const parts = Array.from({ length: 16 }, () => memory.take(SIXTEENTH));
    memory.end();
    const [last, ...others] = parts;
    for (const part of others) releaseBytes(part);
    expect(new BlockMemory().take(1).buffer).not.toBe(last?.buffer);
    if (last !== undefined) releaseBytes(last);
    expect(new BlockMemory().take(1).buffer).toBe(last?.buffer);
  });

  it('does not use a block again while more may be put into it', () => {
    emptied();
    const memory = new BlockMemory();
    const first = memory.take(1);
    releaseBytes(first);
    expect(new BlockMemory().take(1).buffer).not.toBe(first.buffer);
    const second = filled(memory, 1, 7);
    expect(second.buffer).toBe(first.buffer);
    memory.end();
    expect(new BlockMemory().take(1).buffer).not.toBe(first.buffer);
    releaseBytes(second);
    expect(new BlockMemory().take(1).buffer).toBe(first.buffer);
  });

  it('gives what is larger than a block memory of its own, which is not kept', () => {
    emptied();
    const memory = new BlockMemory();
    const large = memory.take(BLOCK_BYTES + 1);
    memory.end();
    releaseBytes(large);
    expect(new BlockMemory().take(1).buffer).not.toBe(large.buffer);
  });

  it('leaves alone what lies elsewhere', () => {
    expect(() => releaseBytes(Buffer.from('from elsewhere'))).not.toThrow();
  });
});
