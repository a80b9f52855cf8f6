import { describe, expect, it } from 'vitest';
import { nextPauseMs, PageSize } from './polling-feed.ts';

const quietRead = { bytes: 0, atTip: true, idleMs: 0, pollIntervalMs: 250, elapsedMs: 0 };

describe('nextPauseMs', () => {
  it.each([
    ['polls at its interval when there is nothing more', {}, 250],
    ['counts the interval from the begin of the last read', { elapsedMs: 100 }, 150],
    ['does not wait after a slow read', { elapsedMs: 400 }, 0],
    ['makes five reads a second when behind', { atTip: false }, 200],
    ['keeps to 2 MB a second when behind', { atTip: false, bytes: 1_000_000 }, 500],
    ['keeps to 2 MB a second at the tip, too', { bytes: 10_000_000 }, 5_000],
    ['asks a quiet shard less often, but twice a second', { idleMs: 3_600_000 }, 500],
    ['never asks more often than it was told to', { idleMs: 3_600_000, pollIntervalMs: 5_000 }, 5_000],
  ])('%s', (_, change, expected) => {
    expect(nextPauseMs({ ...quietRead, ...change })).toBe(expected);
  });
});

describe('PageSize', () => {
  it('asks for about as many records as give the page its bytes', () => {
    const size = new PageSize(1_000_000);
    expect(size.limit).toBe(16);
    size.seen({ records: 1_000, bytes: 200_000, atTip: false });
    expect(size.limit).toBe(5_000);
    size.seen({ records: 10, bytes: 10_000_000, atTip: false });
    expect(size.limit).toBe(1);
    size.seen({ records: 0, bytes: 0, atTip: false });
    expect(size.limit).toBe(1);
  });

  it('never asks for more than Kinesis gives', () => {
    const size = new PageSize(1_000_000_000);
    size.seen({ records: 100, bytes: 100, atTip: false });
    expect(size.limit).toBe(10_000);
  });

  it('expects twice what came last at the end of a shard, and a whole page before it', () => {
    const size = new PageSize(1_000_000);
    expect(size.bytes).toBe(1_000_000);
    size.seen({ records: 200, bytes: 200_000, atTip: true });
    expect(size.bytes).toBe(400_000);
    expect(size.limit).toBe(400);
    size.seen({ records: 900, bytes: 900_000, atTip: true });
    expect(size.bytes).toBe(1_000_000);
    size.seen({ records: 0, bytes: 0, atTip: true });
    expect(size.bytes).toBe(262_144);
    expect(size.limit).toBe(262);
    size.seen({ records: 262, bytes: 262_000, atTip: false });
    expect(size.bytes).toBe(1_000_000);
  });

  it('never expects more than a page', () => {
    const size = new PageSize(1_000);
    size.seen({ records: 0, bytes: 0, atTip: true });
    expect(size.bytes).toBe(1_000);
  });
});
