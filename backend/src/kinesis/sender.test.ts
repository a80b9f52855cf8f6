import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { UserpulseError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Entry } from './entry.ts';
import { PUT_MAX_BYTES, PUT_MAX_ENTRIES, Sender, type CallFailure, type Put } from './sender.ts';

const entry = (name: string, bytes = 10): Entry => ({
  data: Buffer.alloc(bytes, name),
  partitionKey: name,
  explicitHashKey: undefined,
  counts: { events: 1, repeats: 0, invalid: 0 },
});

/** Sleeps pass at once and move the time on. */
const fakeClock = (): Clock => {
  let now = 0;
  return {
    now: () => now,
    sleep: async (ms, signal) => {
      signal.throwIfAborted();
      now += Math.max(ms, 1);
      await turn();
    },
  };
};

const lost = new UserpulseError('stream_unreachable', 'lost');

const sender = (
  put: Put,
  failure: CallFailure = { kind: 'retry', error: lost, uncertain: true },
  giveUp?: AbortSignal,
) =>
  new Sender({
    put,
    classify: () => failure,
    clock: fakeClock(),
    concurrency: 2,
    giveUpAfterMs: 10_000,
    giveUp: giveUp ?? new AbortController().signal,
    random: () => 0.5,
  });

describe('Sender', () => {
  it('puts at most 500 entries and 1 MiB in a call', async () => {
    const calls: (readonly Entry[])[] = [];
    const s = sender((entries) => {
      calls.push(entries);
      return Promise.resolve(entries.map(() => undefined));
    });
    for (let n = 0; n < 1_200; n++) await s.add(entry(`k${n}`));
    for (let n = 0; n < 12; n++) await s.add(entry(`big${n}`, 1_000_000));
    await s.finish();
    expect(calls.flat().map((each) => each.partitionKey)).toHaveLength(1_212);
    for (const call of calls) {
      expect(call.length).toBeLessThanOrEqual(PUT_MAX_ENTRIES);
      expect(call.reduce((sum, each) => sum + each.data.length, 0)).toBeLessThanOrEqual(PUT_MAX_BYTES);
    }
    expect(s.sent).toMatchObject({ entries: 1_212, bytes: 12_012_000, retried: 0 });
    expect(s.unsent).toBe(0);
  });

  it('puts refused entries again, alone, until each is on the stream once', async () => {
    const stream: string[] = [];
    let call = 0;
    const s = sender((entries) => {
      call++;
      return Promise.resolve(
        entries.map((each, n) => {
          if ((n + call) % 3 === 0) return 'ProvisionedThroughputExceededException';
          stream.push(each.partitionKey);
          return undefined;
        }),
      );
    });
    for (let n = 0; n < 100; n++) await s.add(entry(`k${n}`));
    await s.finish();
    expect(stream.toSorted()).toEqual(Array.from({ length: 100 }, (_, n) => `k${n}`).toSorted());
    expect(s.sent.counts.events).toBe(100);
    expect(s.sent.retried).toBeGreaterThan(0);
    expect(s.sent.uncertain).toBe(0);
  });

  it('puts a batch again whose call failed, and says how many entries may be there twice', async () => {
    let failures = 3;
    const s = sender((entries) => {
      if (failures-- > 0) return Promise.reject(new Error('socket hang up'));
      return Promise.resolve(entries.map(() => undefined));
    });
    await s.add(entry('a'));
    await s.add(entry('b'));
    await s.finish();
    expect(s.sent).toMatchObject({ entries: 2, retried: 6, uncertain: 6, uncertainRecords: 6 });
  });

  it('ends with the error when calls have failed for too long, and knows what is not sent', async () => {
    const s = sender(() => Promise.reject(new Error('down')));
    await s.add(entry('a'));
    await expect(s.finish()).rejects.toBe(lost);
    expect(s.unsent).toBe(1);
  });

  it('ends at once on an error that another try cannot mend, and takes nothing more', async () => {
    const gone = new UserpulseError('stream_not_found', 'gone');
    let calls = 0;
    const s = sender(
      () => {
        calls++;
        return Promise.reject(new Error('x'));
      },
      { kind: 'fatal', error: gone },
    );
    await s.add(entry('a'));
    await s.flush();
    await turn();
    await s.add(entry('b'));
    await expect(s.flush()).rejects.toBe(gone);
    expect(calls).toBe(1);
    expect(s.unsent).toBe(2);
  });

  it('stops trying when told to give up', async () => {
    const giveUp = new AbortController();
    const s = sender(
      (entries) => {
        giveUp.abort(new UserpulseError('aborted', 'enough'));
        return Promise.resolve(entries.map(() => 'InternalFailure'));
      },
      undefined,
      giveUp.signal,
    );
    await s.add(entry('a'));
    await expect(s.finish()).rejects.toThrow('enough');
    expect(s.unsent).toBe(1);
  });

  it('has no more calls in flight than allowed', async () => {
    let now = 0;
    let most = 0;
    const s = sender(async (entries) => {
      most = Math.max(most, ++now);
      await turn();
      now--;
      return entries.map(() => undefined);
    });
    for (let n = 0; n < 20; n++) {
      await s.add(entry(`k${n}`));
      await s.flush();
    }
    await s.finish();
    expect(most).toBe(2);
    expect(s.sent.entries).toBe(20);
  });
});
