import { describe, expect, it } from 'vitest';
import { createProgress } from './progress.ts';

/** What a stream was given. */
const stream = (isTTY: boolean) => {
  const written: string[] = [];
  return { written, isTTY, columns: 30, write: (text: string) => written.push(text) };
};

describe('progress', () => {
  it('redraws its state in place on a terminal, cut to the width, and keeps lines above it', () => {
    const out = stream(true);
    const progress = createProgress(out);
    progress.status('x'.repeat(40));
    progress.status(['a', 'b']);
    progress.line('stays');
    progress.status('c');
    progress.keep();
    progress.status('d');
    expect(out.written.join('')).toBe(
      `${'x'.repeat(29)}\n` + '\x1b[1A\x1b[0J' + 'a\nb\n' + '\x1b[2A\x1b[0J' + 'stays\n' + 'c\n' + 'd\n',
    );
  });

  it('writes a plain line now and then elsewhere', () => {
    const out = stream(false);
    let now = 0;
    const progress = createProgress(out, 1_000, () => now);
    progress.status(['a', 'b'], 'a and b');
    now = 999;
    progress.status('unsaid');
    now = 1_000;
    progress.status('said');
    expect(out.written).toEqual(['a and b\n', 'said\n']);
  });
});
