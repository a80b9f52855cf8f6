import { describe, expect, it } from 'vitest';
import { Progress } from './progress.ts';

describe('Progress', () => {
  const written = (terminal: boolean, columns = 80) => {
    let text = '';
    let now = 0;
    const progress = new Progress({ write: (part) => (text += part), isTTY: terminal, columns }, () => now);
    return { progress, text: () => text, wait: (ms: number) => (now += ms) };
  };

  it('redraws one line on a terminal, and leaves it clean', () => {
    const { progress, text, wait } = written(true);
    wait(1_000);
    progress.status('one');
    wait(1_000);
    progress.status('two', 0.5);
    progress.line('kept');
    progress.clear();
    expect(text()).toBe(`\r\u001b[2Kone\r\u001b[2K${'█'.repeat(15)}${'░'.repeat(15)} 50 % · two\r\u001b[2Kkept\n`);
  });

  it('never fills a whole line of a terminal, which would wrap', () => {
    const { progress, text, wait } = written(true, 40);
    wait(1_000);
    progress.status('x'.repeat(100), 1);
    expect(text().replace('\r\u001b[2K', '')).toHaveLength(39);
  });

  it('writes a plain line every five seconds elsewhere', () => {
    const { progress, text, wait } = written(false);
    for (let second = 0; second < 12; second++) {
      progress.status(`second ${second}`, second / 12);
      wait(1_000);
    }
    expect(text()).toBe('41 % · second 5\n83 % · second 10\n');
  });
});
