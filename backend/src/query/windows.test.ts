import fc from 'fast-check';
import { DateTime, IANAZone } from 'luxon';
import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.ts';
import { localWindows, NO_SHIFT, sharedWindows, startsOf, toInstant, toLocal } from './windows.ts';
import { zoneOf } from './zone.ts';

const windowsOf = (zone: string, from: string, to: string, every: string) =>
  localWindows({
    fromMs: Date.parse(from),
    toMs: Date.parse(to),
    every: parseDuration(every, 'every'),
    zone: zoneOf(zone),
    limit: 20_000,
  });
const starts = (zone: string, from: string, to: string, every: string): string[] =>
  windowsOf(zone, from, to, every).map((w) =>
    DateTime.fromMillis(w.startMs, { zone }).toFormat("yyyy-MM-dd'T'HH:mm:ssZZ"),
  );
const hours = (zone: string, from: string, to: string, every: string): number[] =>
  windowsOf(zone, from, to, every).map((w) => (w.endMs - w.startMs) / 3_600_000);

describe('windows', () => {
  it('begin at multiples of their length on the wall clock, the first before the range', () => {
    expect(starts('Europe/Paris', '2026-01-01T10:20:00Z', '2026-01-01T17:00:00Z', '3h')).toEqual([
      '2026-01-01T09:00:00+01:00',
      '2026-01-01T12:00:00+01:00',
      '2026-01-01T15:00:00+01:00',
    ]);
    expect(starts('Asia/Kathmandu', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '1d')).toEqual([
      '2026-01-01T00:00:00+05:45',
      '2026-01-02T00:00:00+05:45',
    ]);
  });

  it('begin on Mondays where they are weeks', () => {
    expect(starts('UTC', '2026-01-01T00:00:00Z', '2026-01-13T00:00:00Z', '1w')).toEqual([
      '2025-12-29T00:00:00+00:00',
      '2026-01-05T00:00:00+00:00',
      '2026-01-12T00:00:00+00:00',
    ]);
    expect(starts('UTC', '1970-01-01T00:00:00Z', '1970-01-02T00:00:00Z', '14d')).toEqual(['1969-12-29T00:00:00+00:00']);
  });

  it('begin on the first where they are months, quarters or years', () => {
    expect(starts('Europe/Paris', '2026-02-15T00:00:00Z', '2026-04-01T00:00:00Z', '1mo')).toEqual([
      '2026-02-01T00:00:00+01:00',
      '2026-03-01T00:00:00+01:00',
      '2026-04-01T00:00:00+02:00',
    ]);
    expect(starts('UTC', '2026-05-15T00:00:00Z', '2026-07-02T00:00:00Z', '3mo')).toEqual([
      '2026-04-01T00:00:00+00:00',
      '2026-07-01T00:00:00+00:00',
    ]);
    expect(starts('UTC', '1969-06-01T00:00:00Z', '1970-01-02T00:00:00Z', '1y')).toEqual([
      '1969-01-01T00:00:00+00:00',
      '1970-01-01T00:00:00+00:00',
    ]);
  });

  it('are an hour shorter or longer where a day holds a clock change', () => {
    expect(hours('Europe/Paris', '2026-03-28T23:00:00Z', '2026-03-30T00:00:00Z', '1d')).toEqual([23, 24]);
    expect(hours('Europe/Paris', '2026-10-24T22:00:00Z', '2026-10-26T00:00:00Z', '1d')).toEqual([25, 24]);
    expect(hours('Europe/Paris', '2026-10-24T22:00:00Z', '2026-10-25T11:00:00Z', '6h')).toEqual([7, 6]);
    expect(hours('America/Los_Angeles', '2026-11-01T07:00:00Z', '2026-11-01T11:00:00Z', '90m')).toEqual([1.5, 2.5]);
  });

  it('of an hour: the repeated one lasts two, the skipped one does not exist', () => {
    expect(starts('Europe/Paris', '2026-10-24T23:00:00Z', '2026-10-25T03:00:00Z', '1h')).toEqual([
      '2026-10-25T01:00:00+02:00',
      '2026-10-25T02:00:00+02:00',
      '2026-10-25T03:00:00+01:00',
    ]);
    expect(starts('Europe/Paris', '2026-03-29T00:00:00Z', '2026-03-29T02:00:00Z', '1h')).toEqual([
      '2026-03-29T01:00:00+01:00',
      '2026-03-29T03:00:00+02:00',
    ]);
  });

  it('below an hour occur twice in a repeated hour', () => {
    const twice = windowsOf('Europe/Paris', '2026-10-25T00:00:00Z', '2026-10-25T02:00:00Z', '30m');
    expect(twice.map((w) => (w.startMs - Date.parse('2026-10-25T00:00:00Z')) / 60_000)).toEqual([0, 30, 60, 90]);
    expect(twice.map((w) => w.occurrence)).toEqual([0, 0, 1, 1]);
    expect(twice[0]!.index).toBe(twice[2]!.index);
  });

  it('leave out a day that a zone skipped', () => {
    expect(starts('Pacific/Apia', '2011-12-29T12:00:00Z', '2011-12-31T12:00:00Z', '1d')).toEqual([
      '2011-12-29T00:00:00-10:00',
      '2011-12-31T00:00:00+14:00',
      '2012-01-01T00:00:00+14:00',
    ]);
  });

  it('stop one beyond the limit', () => {
    const many = (every: string) =>
      localWindows({
        fromMs: 0,
        toMs: 1e12,
        every: parseDuration(every, 'every'),
        zone: zoneOf('Europe/Paris'),
        limit: 100,
      });
    expect(many('1s')).toHaveLength(101);
    expect(many('1d')).toHaveLength(101);
  });
});

/** Zones with whole, half and odd offsets, a change by half an hour, changes at midnight, two changes a month apart, and a skipped day. */
const ZONES = [
  'UTC',
  'Europe/Paris',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Asia/Beirut',
  'Pacific/Apia',
];
const DAY = 86_400_000;

describe('windows, against a clock watched minute by minute', () => {
  it.each(ZONES)(
    'in %s',
    (name) => {
      const zone = zoneOf(name);
      const luxon = IANAZone.create(name);
      // These zones change their clocks at whole quarters of an hour; asking for each minute would take minutes.
      const quarters = new Map<number, number>();
      const local = (ms: number): number => {
        const quarter = Math.floor(ms / 900_000);
        let offset = quarters.get(quarter);
        if (offset === undefined) quarters.set(quarter, (offset = name === 'UTC' ? 0 : luxon.offset(ms)));
        return ms + offset * 60_000;
      };
      const change = changesOf(local);
      fc.assert(
        fc.property(
          fc.oneof(fc.constantFrom(...change), fc.integer({ min: Date.UTC(2010, 0, 1), max: Date.UTC(2030, 0, 1) })),
          fc.integer({ min: -2 * 1440, max: 1440 }),
          fc.integer({ min: 1, max: 3 * 1440 }),
          fc.constantFrom('7m', '15m', '30m', '40m', '1h', '90m', '2h', '3h', '5h', '12h', '1d', '2d', '1w', '1mo'),
          (anchor, before, length, every) => {
            const fromMs = Math.floor(anchor / 60_000) * 60_000 + before * 60_000;
            const toMs = fromMs + length * 60_000;
            const duration = parseDuration(every, 'every');
            const windows = localWindows({ fromMs, toMs, every: duration, zone, limit: 20_000 });
            // Adjoining, ascending, covering the range and no more.
            expect(windows[0]!.startMs).toBeLessThanOrEqual(fromMs);
            expect(windows[0]!.endMs).toBeGreaterThan(fromMs);
            expect(windows.at(-1)!.startMs).toBeLessThan(toMs);
            expect(windows.at(-1)!.endMs).toBeGreaterThanOrEqual(toMs);
            windows.slice(1).forEach((w, i) => expect(w.startMs).toBe(windows[i]!.endMs));

            const number = (localMs: number): number => {
              if (duration.kind === 'months') {
                const date = new Date(localMs);
                return date.getUTCFullYear() * 12 + date.getUTCMonth();
              }
              const origin = duration.ms % (7 * DAY) === 0 ? -3 * DAY : 0;
              return Math.floor((localMs - origin) / duration.ms);
            };
            const grows = duration.kind === 'months' || duration.ms >= 3_600_000;
            // The clock has been watched for two days before the range, so that what it showed before is known.
            let shown = -Infinity;
            let at = -1;
            let previous: number | undefined;
            let earlierLocal = local(fromMs - 2 * DAY);
            for (let ms = fromMs - 2 * DAY; ms < toMs; ms += 60_000) {
              const now = local(ms);
              const setBack = now < earlierLocal;
              earlierLocal = now;
              shown = grows ? Math.max(shown, number(now)) : number(now);
              if (ms < fromMs) continue;
              if (previous !== shown || (setBack && !grows)) at++;
              previous = shown;
              const window = windows[at]!;
              if (ms < window.startMs || ms >= window.endMs)
                throw new Error(`minute ${new Date(ms).toISOString()} is not in window ${at}`);
            }
            expect(at).toBe(windows.length - 1);
          },
        ),
        { numRuns: 40 },
      );
    },
    60_000,
  );
});

/** Instants of clock changes from 2010 to 2030, to the hour. */
function changesOf(local: (ms: number) => number): number[] {
  const out: number[] = [];
  for (let ms = Date.UTC(2010, 0, 1); ms < Date.UTC(2030, 0, 1); ms += DAY)
    if (local(ms + DAY) - local(ms) !== DAY) out.push(ms + DAY / 2);
  return out.length === 0 ? [Date.UTC(2020, 5, 1)] : out;
}

describe('the wall clock', () => {
  it('leads back to the instant it was read at, outside repeated hours', () => {
    const zone = zoneOf('America/New_York');
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2035, 0, 1) }), (ms) => {
        const back = toInstant(zone, toLocal(zone, ms));
        expect([ms, ms - 3_600_000]).toContain(back);
      }),
    );
  });

  it('matches windows by index when they are shifted', () => {
    const zone = zoneOf('Europe/Paris');
    const every = parseDuration('1d', 'every');
    const range = { every, zone, limit: 100 };
    const now = localWindows({
      ...range,
      fromMs: Date.parse('2026-03-28T23:00:00Z'),
      toMs: Date.parse('2026-03-29T22:00:00Z'),
      shift: NO_SHIFT,
    });
    const weekBefore = localWindows({
      ...range,
      fromMs: Date.parse('2026-03-21T23:00:00Z'),
      toMs: Date.parse('2026-03-22T23:00:00Z'),
      shift: { ms: 7 * DAY, months: 0 },
    });
    expect(weekBefore.map((w) => w.index)).toEqual(now.map((w) => w.index));
    expect(now[0]!.endMs - now[0]!.startMs).toBe(23 * 3_600_000);
    expect(weekBefore[0]!.endMs - weekBefore[0]!.startMs).toBe(24 * 3_600_000);
  });
});

describe('a time zone', () => {
  it.each(['', 'utc', 'UTC', 'Etc/UTC', undefined])('%j is UTC', (name) => {
    expect(zoneOf(name).name).toBe('UTC');
  });
  it.each(['Mars/Olympus', '+02:00', 'browser', '../etc', 'UTC+1'])('%j is refused', (name) => {
    expect(() => zoneOf(name)).toThrow(/IANA|not known/);
  });
});

describe('windows that are shared', () => {
  const DAY = { fromMs: Date.UTC(2026, 2, 28, 22), toMs: Date.UTC(2026, 2, 29, 22), limit: 20_000 };
  const asked = { ...DAY, every: parseDuration('1h', 'every'), zone: zoneOf('Europe/Paris') };

  it('are laid out once for who asks the same, and each for who asks anything else', () => {
    const others = [
      { fromMs: DAY.fromMs + 1 },
      { toMs: DAY.toMs - 1 },
      { every: parseDuration('2h', 'every') },
      { every: parseDuration('2mo', 'every') },
      { zone: zoneOf('UTC') },
      { limit: 5 },
      { shift: { ms: 7, months: 0 } },
    ].map((change) => ({ ...asked, ...change }));
    const first = sharedWindows(asked);
    for (const other of others) expect(sharedWindows(other)).toEqual(localWindows(other));
    expect(sharedWindows(asked)).toBe(first);
    expect([...startsOf(first)]).toEqual(first.map(({ startMs }) => startMs));
  });

  it('are forgotten after a few others, and not kept where they are many', () => {
    const first = sharedWindows(asked);
    for (let n = 0; n < 8; n++) sharedWindows({ ...asked, toMs: DAY.toMs - 10 - n });
    expect(sharedWindows(asked)).not.toBe(first);
    const many = { ...asked, every: parseDuration('10s', 'every') };
    expect(sharedWindows(many)).not.toBe(sharedWindows(many));
  });
});
