import { describe, expect, it } from 'vitest';
import {
  freshCheckpoint,
  MAX_DURABLE_RELOCATIONS,
  withDurable,
  withRelocations,
  withPending,
  mayHaveGap,
  withCompleteTo,
  withDone,
  type NotedRelocation,
  type PendingRange,
} from './checkpoint.ts';
import { compareSequence } from '../event/sequence-number.ts';
import { WarmMarks } from '../ingest/warm-marks.ts';

const pending = (first: string, last: string): PendingRange => ({ first, last, codec: 'gzip', refusals: [] });
const relocation = (sequenceNumber: string): NotedRelocation => ({
  role: 'made',
  event: 'ab'.repeat(24),
  offsetNs: 7,
  sequenceNumber,
});

describe('a shard checkpoint', () => {
  it('passes a range only after it was pending, and then forgets it', () => {
    const before = withPending(freshCheckpoint('s'), pending('10', '20'));
    expect(before.sequenceNumber).toBeNull();
    const after = withDurable(before, { completeToMs: 5, warmFrom: '12' });
    expect(after).toMatchObject({ sequenceNumber: '20', pending: null, completeToMs: 5, warmFrom: '12' });
    expect(() => withDurable(after, { completeToMs: 6, warmFrom: null })).toThrow('No range');
  });

  it('refuses a second pending range, and one that overlaps what is durable', () => {
    const once = withPending(freshCheckpoint('s'), pending('10', '20'));
    expect(() => withPending(once, pending('21', '30'))).toThrow('second range');
    const durable = withDurable(once, { completeToMs: 0, warmFrom: null });
    expect(() => withPending(durable, pending('20', '30'))).toThrow('overlaps');
    expect(withPending(durable, pending('21', '30')).pending).toMatchObject({ first: '21' });
  });

  it('never says less about the time up to which nothing is missing', () => {
    const late = withCompleteTo(withPending(freshCheckpoint('s'), pending('1', '2')), 100);
    expect(withCompleteTo(late, 50).completeToMs).toBe(100);
    expect(withDurable(late, { completeToMs: 50, warmFrom: null }).completeToMs).toBe(100);
  });

  it('drops the oldest relocations beyond its bound, but none of a record that a redo will meet again', () => {
    const old = Array.from({ length: MAX_DURABLE_RELOCATIONS + 5 }, (_, n) => relocation(String(1_000_000 + n)));
    const ahead = Array.from({ length: 50 }, (_, n) => relocation(String(3_000_000 + n)));
    const checkpoint = withDurable(
      withPending(withRelocations(freshCheckpoint('s'), [...old, ...ahead]), pending('1', '2000000')),
      {
        completeToMs: 0,
        warmFrom: null,
      },
    );
    expect(checkpoint.relocations).toEqual([...old.slice(5), ...ahead]);
  });
});

describe('the end of a shard', () => {
  it('is not noted while a range is pending', () => {
    const before = withPending(freshCheckpoint('s'), pending('1', '2'));
    expect(() => withDone(before)).toThrow('pending');
    expect(withDone(withDurable(before, { completeToMs: 0, warmFrom: null })).done).toBe(true);
  });
});

describe('mayHaveGap', () => {
  it('is false while the stream still covers the time up to which nothing is missing', () => {
    expect(mayHaveGap(1_000, 500, 1_499)).toBe(false);
    expect(mayHaveGap(1_000, 500, 1_500)).toBe(true);
  });
});

describe('compareSequence', () => {
  it.each([
    ['9', '10', -1],
    ['10', '9', 1],
    [
      '49680505954199721133746949803133321849143292624961011714',
      '49680505954199721133746949803134530774962907254135717890',
      -1,
    ],
    ['5', '5', 0],
  ])('orders %s and %s by value, not as text', (a, b, sign) => {
    expect(Math.sign(compareSequence(a, b))).toBe(sign);
  });
});

describe('WarmMarks', () => {
  const bounds = { maxRecords: 2_000, maxEvents: 10_000, maxAgeMs: 60_000 };
  const noted = (count: number, stepMs: number, events = 1): WarmMarks => {
    const marks = new WarmMarks(bounds);
    for (let n = 0; n < count; n++) marks.note({ sequenceNumber: String(n), arrivalMs: n * stepMs, events });
    return marks;
  };

  it('begins at the first record while all of them are within the bounds', () => {
    expect(noted(100, 1).from(100)).toBe('0');
    expect(new WarmMarks(bounds).from(0)).toBeNull();
  });

  it.each([
    ['records', noted(10_000, 1), 9_999, 8_000],
    ['age', noted(1_000, 1_000), 999_000, 939],
    ['events', noted(10_000, 1, 100), 9_999, 9_900],
  ])('keeps within its bound of %s', (_, marks, latestMs, oldest) => {
    const from = Number(marks.from(latestMs));
    expect(from).toBeGreaterThanOrEqual(oldest);
    expect(from).toBeLessThanOrEqual(oldest + 600);
  });
});
