import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendRate } from './send-rate.ts';
import { shiftToNow } from './source.ts';

describe('SendRate', () => {
  it('has exactly the rate due over any steady run, however it is asked', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 50_000, noNaN: true }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 5, maxLength: 50 }),
        (rate, steps) => {
          const pace = new SendRate(rate, 1_000);
          let now = 1_000;
          let taken = 0;
          for (const step of steps) {
            now += step;
            const due = pace.due(now);
            pace.take(due);
            taken += due;
            expect(Math.abs(taken - ((now - 1_000) * rate) / 1_000)).toBeLessThanOrEqual(1.001);
          }
        },
      ),
    );
  });

  it('says when the next one is due', () => {
    const pace = new SendRate(10, 0);
    expect(pace.untilNext(0)).toBe(100);
    expect(pace.due(99)).toBe(0);
    expect(pace.due(100)).toBe(1);
    pace.take(1);
    expect(pace.untilNext(130)).toBe(70);
  });

  it('does not make up for more than a second after a stall', () => {
    const pace = new SendRate(100, 0);
    expect(pace.due(60_000)).toBe(100);
    pace.take(100);
    expect(pace.due(60_010)).toBe(1);
  });
});

describe('shiftToNow', () => {
  const now = Date.UTC(2026, 0, 31, 12, 0, 0, 123);
  const span = { firstMs: 1_341_100_972_000, lastMs: 1_341_705_593_000 };

  it('ends a file that is sent at once now, on whole seconds', () => {
    const shift = shiftToNow(span, undefined, now);
    expect(shift % 1000).toBe(0);
    expect(now - (span.lastMs + shift)).toBeLessThan(1_000);
    expect(span.lastMs + shift).toBeLessThanOrEqual(now);
  });

  it('begins a file that is replayed at its own speed now', () => {
    expect(Math.abs(span.firstMs + shiftToNow(span, 1, now) - now)).toBeLessThanOrEqual(1_000);
  });

  it('never has an event sent before it happened, at any speed', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (speed, part) => {
          const at = span.firstMs + part * (span.lastMs - span.firstMs);
          const sentMs = now + (at - span.firstMs) / speed;
          expect(at + shiftToNow(span, speed, now)).toBeLessThanOrEqual(sentMs + 0.01);
        },
      ),
    );
  });
});
