import { describe, expect, it } from 'vitest';
import { failed, passed, runChecks, warned, worst } from './check.ts';
import { cached } from './checks/cached.ts';

describe('runChecks', () => {
  it('runs all checks at once and keeps their order', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const results = await runChecks([
      { name: 'influxdb', run: () => gate.then(() => passed('influxdb', 'a')) },
      {
        name: 'archive',
        run: () => {
          release();
          return Promise.resolve(passed('archive', 'b'));
        },
      },
    ]);
    expect(results.map((r) => r.name)).toEqual(['influxdb', 'archive']);
  });

  it('gives up on a check that ignores its signal, and names the setting', async () => {
    const [result] = await runChecks([{ name: 'stream', run: () => new Promise(() => undefined) }], { timeoutMs: 5 });
    expect(result).toMatchObject({ name: 'stream', state: 'error', code: 'stream_unreachable' });
    expect(result?.message).toContain('USERPULSE_STREAM');
  });

  it('takes an InfluxDB too busy to judge the prefix scheme for no failure', async () => {
    const [result] = await runChecks([{ name: 'scheme', run: () => new Promise(() => undefined) }], { timeoutMs: 5 });
    expect(result).toMatchObject({ name: 'scheme', state: 'warning', hint: expect.stringContaining('busy') });
  });

  it('tells a check through its signal that it is late', async () => {
    let told = false;
    await runChecks(
      [
        {
          name: 'stream',
          run: (signal) =>
            new Promise(() => {
              signal.addEventListener('abort', () => {
                told = true;
              });
            }),
        },
      ],
      { timeoutMs: 5 },
    );
    expect(told).toBe(true);
  });

  it('turns what a check throws into a result', async () => {
    const [result] = await runChecks([{ name: 'lag', run: () => Promise.reject(new Error('odd')) }]);
    expect(result).toMatchObject({ name: 'lag', state: 'error', code: 'internal' });
    expect(result?.message).toContain('odd');
  });

  it('ends at once with what stopped it', async () => {
    const checks = [{ name: 'archive' as const, run: () => new Promise<never>(() => undefined) }];
    const stopped = new Error('stopped');
    const running = runChecks(checks, { signal: AbortSignal.abort(stopped), timeoutMs: 60_000 });
    await expect(running).rejects.toBe(stopped);
  });
});

describe('worst', () => {
  it.each([
    [[], 'ok'],
    [[passed('lag', '')], 'ok'],
    [[passed('lag', ''), warned('scheme', '', '')], 'warning'],
    [[failed('stream', 'stream_not_found', '', ''), warned('scheme', '', ''), passed('lag', '')], 'error'],
  ] as const)('of %j is %s', (results, state) => {
    expect(worst(results)).toBe(state);
  });
});

describe('cached', () => {
  it('shares a run among those who ask while it lasts, and its result for a while', async () => {
    let now = 0;
    let runs = 0;
    const ask = cached(
      () => Promise.resolve(++runs),
      100,
      () => now,
    );
    expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
    now = 99;
    expect(await ask()).toBe(1);
    now = 100;
    expect(await ask()).toBe(2);
  });
  it('does not keep asking what has just failed', async () => {
    let runs = 0;
    const ask = cached(
      () => Promise.reject(new Error(`run ${++runs}`)),
      100,
      () => 0,
    );
    await expect(ask()).rejects.toThrow('run 1');
    await expect(ask()).rejects.toThrow('run 1');
  });
});
