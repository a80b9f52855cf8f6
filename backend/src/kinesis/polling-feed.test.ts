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
    expect(size.limit()).toBe(16);
    size.seen(1_000, 200_000);
    expect(size.limit()).toBe(5_000);
    size.seen(10, 10_000_000);
    expect(size.limit()).toBe(1);
    size.seen(0, 0);
    expect(size.limit()).toBe(1);
  });

  it('never asks for more than Kinesis gives', () => {
    const size = new PageSize(1_000_000_000);
    size.seen(100, 100);
    expect(size.limit()).toBe(10_000);
  });
});
