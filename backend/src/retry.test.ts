import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../tests/support/virtual-clock.ts';
import { fullJitter, OutageLog, parseRetryAfter, retrying, type Verdict } from './retry.ts';

const again: Verdict = { kind: 'retry', reason: 'r', message: 'm' };

describe('fullJitter', () => {
  it('stays between nothing and the exponential bound, and never passes the cap', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const delay = fullJitter({ baseMs: 100, capMs: 5_000 }, attempt, random);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(Math.min(5_000, 100 * 2 ** Math.min(attempt, 40)));
      }),
    );
  });
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    [undefined, undefined],
    ['3', 3_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    ['Thu, 01 Jan 2015 00:00:10 GMT', 0],
    ['soon', undefined],
  ])('reads %s as %s ms', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });
});

describe('retrying', () => {
  it('repeats until it works, waiting at least as long as the server asks', async () => {
    const clock = new VirtualClock();
    const begun = clock.now();
    let failures = 0;
    const delays: number[] = [];
    const result = await retrying(
      () => (failures < 3 ? Promise.reject(new Error(String(failures++))) : Promise.resolve('done')),
      {
        clock,
        signal: new AbortController().signal,
        classify: () => ({ ...again, afterMs: 7_000 }),
        onRetry: (_, delayMs) => delays.push(delayMs),
        random: () => 0,
      },
    );
    expect(result).toBe('done');
    expect(delays).toEqual([7_000, 7_000, 7_000]);
    expect(clock.now() - begun).toBeGreaterThanOrEqual(21_000);
  });

  it('throws what it gives up on', async () => {
    const error = new Error('for good');
    await expect(
      retrying(() => Promise.reject(error), {
        clock: new VirtualClock(),
        signal: new AbortController().signal,
        classify: () => ({ kind: 'give_up' }),
        onRetry: () => undefined,
      }),
    ).rejects.toBe(error);
  });

  it('throws the error of the verdict where it has one, and is told how many failures came before', async () => {
    const better = new Error('three attempts failed');
    const seen: number[] = [];
    await expect(
      retrying(() => Promise.reject(new Error('down')), {
        clock: new VirtualClock(),
        signal: new AbortController().signal,
        classify: (_, failures) => {
          seen.push(failures);
          return failures === 2 ? { kind: 'give_up', error: better } : again;
        },
      }),
    ).rejects.toBe(better);
    expect(seen).toEqual([0, 1, 2]);
  });

  it('counts failures from the last success within an attempt', async () => {
    const seen: number[] = [];
    let attempts = 0;
    await retrying(
      (retries) => {
        attempts++;
        if (attempts === 3) retries.succeeded();
        return attempts === 5 ? Promise.resolve() : Promise.reject(new Error('down'));
      },
      {
        clock: new VirtualClock(),
        signal: new AbortController().signal,
        classify: (_, failures) => {
          seen.push(failures);
          return again;
        },
      },
    );
    expect(seen).toEqual([0, 1, 0, 1]);
  });

  it('ends a wait at once when aborted, with the reason', async () => {
    const stop = new AbortController();
    const reason = new Error('deadline');
    await expect(
      retrying(() => Promise.reject(new Error('down')), {
        clock: {
          now: () => 0,
          sleep: (_, signal) =>
            new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
        },
        signal: stop.signal,
        classify: () => again,
        onRetry: () => setImmediate(() => stop.abort(reason)),
      }),
    ).rejects.toBe(reason);
  });
});

describe('OutageLog', () => {
  it('tells an outage as one story: its begin, a reminder every ten seconds, its end', () => {
    const clock = new VirtualClock();
    const lines: string[] = [];
    const log = new OutageLog(
      'influxdb',
      pino({}, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) }),
      clock,
    );
    log.succeeded();
    for (let n = 0; n < 100; n++) {
      log.failed('network', 'down');
      clock.jump(250);
    }
    log.succeeded();
    log.succeeded();
    const down = 'down. Retrying; no data is lost.';
    expect(lines).toEqual([down, down, down, 'influxdb is available again.']);
    expect(log.sinceMs).toBeUndefined();
  });

  it('of one bucket is not over when a write to another one succeeds', () => {
    const clock = new VirtualClock();
    const lines: string[] = [];
    const log = new OutageLog(
      'influxdb',
      pino({}, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) }),
      clock,
    );
    for (let n = 0; n < 30; n++) {
      log.failed('not_found', 'Bucket "share" does not exist.', 'share');
      if (n === 3) log.failed('unauthorized', 'Bucket "made" may not be written', 'made');
      log.succeeded('received');
      if (n === 20) log.succeeded('made');
      clock.jump(100);
    }
    expect(lines).toEqual([
      'Bucket "share" does not exist. Retrying; no data is lost.',
      'Bucket "made" may not be written. Retrying; no data is lost.',
    ]);
    expect(log.sinceMs).toBeDefined();
    log.succeeded('share');
    expect(lines.at(-1)).toBe('influxdb is available again.');
  });

  it('does not fill the log with messages that differ each time', () => {
    const clock = new VirtualClock();
    let lines = 0;
    const log = new OutageLog('archive', pino({}, { write: () => lines++ }), clock);
    for (let n = 0; n < 1000; n++) {
      log.failed('http_500', `Request ${n}`);
      clock.jump(10);
    }
    expect(lines).toBeLessThan(20);
  });
});
