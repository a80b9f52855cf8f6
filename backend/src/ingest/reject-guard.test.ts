import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import type { RejectionCode } from '../event/event.ts';
import { RejectGuard, type RejectLimit, type RejectWindow } from './reject-guard.ts';

const LIMIT: RejectLimit = { maxRatio: 0.5, minRecords: 100, windowMs: 60_000 };

function reject(window: RejectWindow, count: number, code: RejectionCode = 'not_json', arrivalMs = 1): void {
  for (let n = 0; n < count; n++) {
    window.rejected({ code, reason: `reason of ${code}.`, sequenceNumber: '42' }, arrivalMs);
  }
}

/** A guard over one shard. */
function guarded(limit: Partial<RejectLimit> = {}, releasedToMs = 0) {
  const clock = new VirtualClock();
  const guard = new RejectGuard(clock, { ...LIMIT, ...limit });
  const window = guard.watch('shardId-1', releasedToMs);
  return { clock, guard, window, reason: () => guard.bad()[0]?.reason };
}

describe('RejectGuard', () => {
  it('lets a few bad records pass, whatever their fraction', () => {
    const { window, reason } = guarded();
    reject(window, 99);
    expect(reason()).toBeUndefined();
    reject(window, 1);
    expect(reason()).toContain('100 of the last 100 records (within 60 s) are not valid events');
  });

  it('finds a shard bad above the fraction, not at it', () => {
    const { window, reason } = guarded();
    reject(window, 200);
    window.accepted(200, 1);
    expect(reason()).toBeUndefined();
    reject(window, 1);
    expect(reason()).toContain('201 of the last 401 records');
  });

  it('names the most frequent code with an example', () => {
    const { window, reason } = guarded();
    reject(window, 40, 'type_invalid');
    reject(window, 70, 'actor_id_invalid');
    expect(reason()).toContain(
      'Most of them (70) are "actor_id_invalid", for example: reason of actor_id_invalid. (record 42)',
    );
  });

  it('forgets what is older than its window', () => {
    const { clock, window, reason } = guarded();
    reject(window, 90);
    clock.jump(60_001);
    reject(window, 90);
    expect(reason()).toBeUndefined();
    clock.jump(30_000);
    reject(window, 10);
    expect(reason()).toContain('100 of the last 100 records');
  });

  it('counts an event that InfluxDB has refused as one record', () => {
    const { window, reason } = guarded();
    window.accepted(100, 1);
    for (let n = 0; n < 51; n++) window.refused('received: field type conflict', 1);
    expect(reason()).toContain('51 of the last 100 records');
  });

  it('never finds a shard bad with a limit of 1', () => {
    const { window, reason } = guarded({ maxRatio: 1 });
    reject(window, 100_000);
    expect(reason()).toBeUndefined();
  });

  it('does not count what arrived until a release', () => {
    const { window, reason } = guarded({}, 1_000);
    reject(window, 500, 'not_json', 1_000);
    window.refused('received: field type conflict', 1_000);
    window.accepted(90, 1_000);
    expect(window.sums()).toEqual({ rejections: 0, records: 0 });
    reject(window, 100, 'not_json', 1_001);
    expect(reason()).toContain('100 of the last 100 records');
  });

  it('sums up the shards that a bad producer is spread over, and leaves the healthy ones alone', () => {
    const guard = new RejectGuard(new VirtualClock(), LIMIT);
    const windows = Array.from({ length: 20 }, (_, n) => guard.watch(`s${n}`, 0));
    windows.forEach((window, n) => {
      if (n < 10) reject(window, 9);
      else window.accepted(1_000, 1);
    });
    // A healthy shard with an odd bad record and nothing else: less than its share of the minimum.
    reject(guard.watch('quiet', 0), 1);
    expect(guard.bad()).toEqual([]);
    windows.slice(0, 10).forEach((window) => reject(window, 1));
    expect(guard.bad().map(({ shardId }) => shardId)).toEqual(windows.slice(0, 10).map((_, n) => `s${n}`));
  });

  it('only ever finds shards bad whose own fraction is too large', () => {
    const shard = fc.record({ events: fc.nat(300), rejections: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(shard, { minLength: 1, maxLength: 12 }), (shards) => {
        const guard = new RejectGuard(new VirtualClock(), LIMIT);
        shards.forEach(({ events, rejections }, n) => {
          const window = guard.watch(String(n), 0);
          window.accepted(events, 1);
          reject(window, rejections);
        });
        const bad = guard.bad().map(({ shardId }) => shards[Number(shardId)]!);
        for (const { events, rejections } of bad) expect(rejections).toBeGreaterThan(events);
        const records = bad.reduce((sum, { events, rejections }) => sum + events + rejections, 0);
        if (bad.length > 0) expect(records).toBeGreaterThanOrEqual(LIMIT.minRecords);
        // All bad records of a stream with one shard are its own.
        if (shards.length === 1) {
          const { events, rejections } = shards[0]!;
          expect(bad.length === 1).toBe(rejections > events && events + rejections >= LIMIT.minRecords);
        }
      }),
    );
  });
});
