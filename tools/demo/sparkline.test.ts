import { describe, expect, it } from 'vitest';
import { sparkline } from './sparkline.ts';

describe('sparkline', () => {
  it.each([
    { values: [], width: 5, text: '' },
    { values: [0, 0], width: 5, text: '··' },
    { values: [1, 2, 4, 8], width: 5, text: '▁▂▄█' },
    { values: [1000, 1, 0, 999], width: 5, text: '█▁·█' },
    { values: [9, 1, 2, 3], width: 3, text: '▃▆█' },
  ])('shows $values in $width columns as $text', ({ values, width, text }) => {
    expect(sparkline(values, width)).toBe(text);
  });
});
