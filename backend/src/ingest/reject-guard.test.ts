import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { UserpulseError } from '../errors.ts';
import type { RejectionCode } from '../event/event.ts';
import { RejectGuard, type RejectLimit } from './reject-guard.ts';

const LIMIT: RejectLimit = { maxRatio: 0.5, minRecords: 100, windowMs: 60_000 };

function guarded(limit: Partial<RejectLimit> = {}) {
  const clock = new VirtualClock();
  const guard = new RejectGuard(clock, { ...LIMIT, ...limit });
  const reject = (count: number, code: RejectionCode = 'not_json'): void => {
    for (let n = 0; n < count; n++) {
      guard.rejected({ code, reason: `reason of ${code}.`, shardId: 'shardId-000000000001', sequenceNumber: '42' });
    }
  };
  return { clock, guard, reject };
}

function failure(guard: RejectGuard): UserpulseError {
  try {
    guard.check();
  } catch (error) {
    if (error instanceof UserpulseError) return error;
    throw error;
  }
  throw new Error('The guard took it for normal life.');
}

describe('RejectGuard', () => {
  it('lets a few bad records pass, whatever their fraction', () => {
    const { guard, reject } = guarded();
    reject(99);
    guard.check();
    reject(1);
    expect(failure(guard).code).toBe('too_many_rejected');
  });

  it('stops above the fraction, not at it', () => {
    const { guard, reject } = guarded();
    reject(200);
    guard.accepted(200);
    guard.check();
    reject(1);
    expect(failure(guard).message).toContain('201 of the last 401 records');
  });

  it('names the most frequent code with an example, and how to go on', () => {
    const { guard, reject } = guarded();
    reject(40, 'type_invalid');
    reject(70, 'actor_id_invalid');
    const error = failure(guard);
    expect(error.message).toContain(
      'Most of them (70) are "actor_id_invalid", for example: reason of actor_id_invalid.',
    );
    expect(error.message).toContain('shard shardId-000000000001, record 42');
    expect(error.hint).toContain('USERPULSE_REJECT_MAX_RATIO=1');
  });

  it('forgets what is older than its window', () => {
    const { clock, guard, reject } = guarded();
    reject(90);
    clock.jump(60_001);
    reject(90);
    guard.check();
    clock.jump(30_000);
    reject(10);
    expect(failure(guard).message).toContain('100 of the last 100 records');
  });

  it('counts an event that InfluxDB has refused as one record', () => {
    const { guard } = guarded();
    guard.accepted(100);
    for (let n = 0; n < 51; n++) guard.refused('received: field type conflict');
    expect(failure(guard).message).toContain('51 of the last 100 records');
  });

  it('never stops with a limit of 1', () => {
    const { guard, reject } = guarded({ maxRatio: 1 });
    reject(100_000);
    guard.check();
  });
});
