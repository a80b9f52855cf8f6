import { describe, expect, it } from 'vitest';
import { marksByHour, sealOf, type Mark } from '../schema/hour-marks.ts';
import { judgeHours } from './hours.ts';

const mark = (hour: number, open = false): Mark => ({ hour, writer: 'w', turn: 0, renewal: 0, open });
const counted = (hour: number) => ({ hour, seal: sealOf([mark(hour)]) ?? '', types: new Map<string, number[]>() });

describe('the check of hours', () => {
  it('says how many are counted, wait and are open', () => {
    const read = { marks: marksByHour([mark(1), mark(2), mark(3), mark(4, true)]), counts: [counted(1), counted(4)] };
    expect(judgeHours(read)).toMatchObject({
      state: 'ok',
      message: '1 hour is counted, 2 wait, and 1 are being written to.',
    });
    expect(judgeHours({ marks: new Map(), counts: [] })).toMatchObject({ state: 'ok' });
  });

  it('warns where nobody seems to count', () => {
    const marks = marksByHour(Array.from({ length: 60 }, (_, hour) => mark(hour)));
    expect(judgeHours({ marks, counts: [] })).toMatchObject({
      state: 'warning',
      hint: expect.stringContaining('rollup'),
    });
  });
});
