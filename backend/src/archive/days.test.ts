import { CODEC_NAMES } from './codecs.ts';
import { describe, expect, it } from 'vitest';
import { archiveKey, parseArchiveKey, parseTableKey, rejectedKey, tableKey } from './keys.ts';
import { keysOf, parseDay, rejectedKeysOf, tableKeysOf } from './days.ts';

describe('parseDay', () => {
  it.each([
    ['2012/07/01', 15_522],
    ['2012-07-01', 15_522],
    ['2000-01-01', 10_957],
    ['2024/02/29', 19_782],
  ])('reads %s', (text, day) => {
    expect(parseDay(text)).toBe(day);
  });

  it.each([
    '',
    '2012/07-01',
    '2012/7/1',
    '2012-02-30',
    '2023-02-29',
    '1999-12-31',
    '2012-13-01',
    '2012/07/01T00:00',
    'today',
  ])('refuses %s', (text) => {
    expect(parseDay(text)).toBeUndefined();
  });
});

describe('keys of days', () => {
  it('reach from the first day to the end of the last, to the end of the calendar', () => {
    const keys = ['2012/12/30/z', '2012/12/31/', '2012/12/31/a', '2012/12/31/z/z', '2013/01/01/a', '9999/12/31/a'];
    const within = (first: string, last: string): string[] => {
      const [from, to] = keysOf({ from: parseDay(first)!, to: parseDay(last)! });
      return keys.filter((key) => key >= from && key < to);
    };
    expect(within('2012-12-31', '2012-12-31')).toEqual(keys.slice(1, 4));
    expect(within('2013-01-01', '9999-12-31')).toEqual(keys.slice(4));
    expect(rejectedKeysOf({ from: 15_522, to: 15_522 })[0]).toBe('_rejected/2012/07/01/');
  });

  it('of tables are read back, in the order of days, and are never among those of events', () => {
    const days = ['2000-01-01', '2012-06-30', '2012-07-01', '2012-12-31', '9999-12-31'].map((day) => parseDay(day)!);
    const keys = days.map(tableKey);
    expect(keys[2]).toBe('events/year=2012/month=07/day=01/events.parquet');
    expect(keys.map(parseTableKey)).toEqual(days);
    expect([...keys].sort()).toEqual(keys);
    const within = ([from, to]: readonly [string, string]): string[] => keys.filter((key) => key >= from && key < to);
    expect(within(tableKeysOf({ from: days[1]!, to: days[2]! }))).toEqual(keys.slice(1, 3));
    expect(within(keysOf({ from: days[0]!, to: days[4]! }))).toEqual([]);
    expect(keys.map(parseArchiveKey)).toEqual(keys.map(() => undefined));
    for (const foreign of [
      'events/year=2012/month=7/day=1/events.parquet',
      'events/year=2012/month=02/day=31/events.parquet',
      'events/year=2012/month=07/day=01/part-0.parquet',
      'x/events/year=2012/month=07/day=01/events.parquet',
    ]) {
      expect(parseTableKey(foreign)).toBeUndefined();
    }
  });

  it('are read back as they were made', () => {
    const range = { shardId: 'shardId-000000000001', first: '12', last: '345' };
    for (const codec of CODEC_NAMES) {
      expect(parseArchiveKey(archiveKey(15_522, range, codec))).toEqual({ ...range, day: 15_522, rejected: false });
      expect(parseArchiveKey(rejectedKey(15_522, range, codec))).toEqual({ ...range, day: 15_522, rejected: true });
    }
    for (const foreign of [
      '2012/07/01/notes.txt',
      '2012/07/01/a-1.ndjson.gz',
      'x/2012/07/01/a-1-2.ndjson.gz',
      '2012/07/01/a-1-2.ndjson.lzma',
    ]) {
      expect(parseArchiveKey(foreign)).toBeUndefined();
    }
  });
});
