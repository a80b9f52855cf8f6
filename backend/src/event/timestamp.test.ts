import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRfc3339 } from './timestamp.ts';

describe('parseRfc3339', () => {
  it.each([
    ['2012-07-04T12:00:00Z', Date.UTC(2012, 6, 4, 12)],
    ['2012-07-04T12:00:00.1Z', Date.UTC(2012, 6, 4, 12, 0, 0, 100)],
    ['2012-07-04T12:00:00.123Z', Date.UTC(2012, 6, 4, 12, 0, 0, 123)],
    ['2012-07-04T12:00:00.123999999999Z', Date.UTC(2012, 6, 4, 12, 0, 0, 123)],
    ['2012-07-04t12:00:00z', Date.UTC(2012, 6, 4, 12)],
    // Java's OffsetDateTime.toString() leaves out seconds that are zero.
    ['2012-07-04T12:00Z', Date.UTC(2012, 6, 4, 12)],
    ['2012-07-04T12:59+02:00', Date.UTC(2012, 6, 4, 10, 59)],
    ['2012-07-04T12:00:00+02:00', Date.UTC(2012, 6, 4, 10)],
    ['2012-07-04T12:00:00-00:00', Date.UTC(2012, 6, 4, 12)],
    ['2012-07-04T00:30:00.5+23:59', Date.UTC(2012, 6, 3, 0, 31, 0, 500)],
    ['2012-12-31T23:30:00-05:30', Date.UTC(2013, 0, 1, 5)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    // Not 2000-01-01T11:59:00Z, which would be an event.
    ['0099-12-31T12:00:00-23:59', Date.parse('0100-01-01T11:59:00Z')],
    ['1999-12-31T23:59:59.999-00:01', Date.UTC(2000, 0, 1, 0, 0, 59, 999)],
    ['2000-01-01T00:00:00+00:01', Date.UTC(1999, 11, 31, 23, 59)],
  ])('reads %s', (text, ms) => {
    expect(parseRfc3339(text)).toBe(ms);
  });

  it.each([
    ['2012-07-04T12:00:00', /offset/],
    ['2012-07-04T12:00:00.5', /offset/],
    ['2012-06-30T23:59:60Z', /second 60/],
    ['2023-02-29T00:00:00Z', /day that does not exist/],
    ['2100-02-29T00:00:00Z', /day that does not exist/],
    ['2012-04-31T00:00:00Z', /day that does not exist/],
    ['2012-00-10T00:00:00Z', /day that does not exist/],
    ['2012-13-10T00:00:00Z', /day that does not exist/],
    ['2012-07-00T00:00:00Z', /day that does not exist/],
    ['2012-07-04T24:00:00Z', /time of day/],
    ['2012-07-04T12:60:00Z', /time of day/],
    ['2012-07-04T12:00:61Z', /RFC 3339/],
    ['2012-07-04 12:00:00Z', /RFC 3339/],
    ['2012-07-04T12:00:00.Z', /RFC 3339/],
    ['2012-07-04T12:00:00,5Z', /RFC 3339/],
    ['2012-07-04T12:00:00+0200', /RFC 3339/],
    ['2012-07-04T12:00:00+24:00', /RFC 3339/],
    ['2012-07-04T12:00:00+02:60', /RFC 3339/],
    ['2012-07-04T12:00:00+02', /RFC 3339/],
    ['2012-07-04T12:00:00Zx', /RFC 3339/],
    ['2012-07-04T12Z', /RFC 3339/],
    ['2012-07-04T12:00.5Z', /RFC 3339/],
    ['2012-07-04T12:00:Z', /RFC 3339/],
    ['2012-07-04T12:00', /no offset/],
    ['2012-07-04T24:00Z', /time of day/],
    ['2012-7-4T12:00:00Z', /RFC 3339/],
    ['+02012-07-04T12:00:00Z', /RFC 3339/],
    ['２012-07-04T12:00:00Z', /RFC 3339/],
    [' 2012-07-04T12:00:00Z', /RFC 3339/],
    ['2012-07-04T12:00:00Z ', /RFC 3339/],
    ['1341403200000', /RFC 3339/],
    ['', /RFC 3339/],
  ])('refuses %j', (text, problem) => {
    expect(parseRfc3339(text)).toMatch(problem);
  });

  it('agrees with Date on every instant that Date can write', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          expect(parseRfc3339(date.toISOString())).toBe(date.getTime());
        },
      ),
    );
  });

  it('takes every offset off', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('2000-01-02'), max: new Date('2100-01-01'), noInvalidDate: true }),
        fc.integer({ min: -1439, max: 1439 }),
        (date, offset) => {
          const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
          const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
          const text = `${local}${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
          expect(parseRfc3339(text)).toBe(date.getTime());
        },
      ),
    );
  });
});
