import { describe, expect, it } from 'vitest';
import { picture, plainPicture } from './picture.ts';

const rows = [
  {
    question: 'share',
    id: '6b04f6a805226ceb08000000',
    series: new Map([
      ['like', [1, 0, 4]],
      ['comment', [0, 0, 1000]],
    ]),
  },
  { question: 'made', id: undefined, series: new Map<string, number[]>() },
] as const;

describe('picture', () => {
  it('shows each series with its sum, and below it the id and the types, the most frequent first', () => {
    expect(picture(rows, 60, false)).toEqual([
      'received by share         ▁·█                        1,005',
      '6b04f6a805226ceb08000000  comment 1,000 · like 5',
      'made by user                                             0',
      'none yet                  ',
    ]);
  });

  it.each([30, 60, 200])('keeps every line within %i columns or the least it needs', (columns) => {
    for (const line of picture(rows, columns, false)) expect(line.length).toBeLessThanOrEqual(Math.max(columns, 49));
  });

  it('says the same in one plain line', () => {
    expect(plainPicture(rows)).toBe('received by share 6b04f6a805226ceb08000000: 1,005 | made by user: 0');
  });
});
