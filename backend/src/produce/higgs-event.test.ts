import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../event/decode.ts';
import { higgsEvent, hourlyShare } from './higgs-event.ts';
import { eventJson } from './event-json.ts';

describe('higgsEvent', () => {
  it('reads a line', () => {
    expect(higgsEvent('376989 50329 1341101181 RT')).toEqual({
      eventId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      type: 'retweet',
      occurredAtMs: 1_341_101_181_000,
      actorId: '376989',
      receiverId: '50329',
      shareId: '4fef9300000000000000c499',
    });
    expect(higgsEvent('1 2 1341101181 RE')?.type).toBe('reply');
  });

  it('gives a mention no share', () => {
    expect(higgsEvent('223789 213163 1341100972 MT')).toMatchObject({ type: 'mention', shareId: undefined });
  });

  it('gives shares of one receiver and hour one id, whose first half is the second of the hour', () => {
    const hour = 1_341_100_800;
    expect(hourlyShare('88', hour * 1000)).toBe(hour.toString(16) + '0000000000000058');
    expect(hourlyShare('88', hour * 1000 + 3_599_999)).toBe(hourlyShare('88', hour * 1000));
    expect(hourlyShare('88', hour * 1000 + 3_600_000)).not.toBe(hourlyShare('88', hour * 1000));
    expect(hourlyShare('9223372036854775807', 0)).toBe('000000007fffffffffffffff');
  });

  it('gives every line an id of its own, the same each time, and another one where it is moved in time', () => {
    const id = (line: string, shift?: number) => higgsEvent(line, shift)?.eventId;
    expect(id('1 2 1341101181 RT')).toBe(id('1 2 1341101181 RT'));
    expect(id('1 2 1341101181 RT')).not.toBe(id('1 2 1341101181 RE'));
    expect(id('1 2 1341101181 RT', 1000)).not.toBe(id('1 2 1341101181 RT'));
    expect(id('1 2 1341101181 RT', 1000)).not.toBe(id('1 2 1341101182 RT'));
  });

  it('keeps the contract', () => {
    for (const line of ['376989 50329 1341101181 RT', '223789 213163 1341100972 MT']) {
      const fields = higgsEvent(line, 86_400_000)!;
      const { items } = decodeRecord(
        {
          data: Buffer.from(eventJson(fields)),
          approximateArrivalMs: Date.now(),
        },
        { maxAheadMs: 0 },
      );
      expect(items).toMatchObject([{ kind: 'event', event: fields }]);
    }
  });

  it.each(['', '1 2 3', '1 2 1341101181 XX', '0 2 1341101181 RT', '1 2 1341101181 RT ', 'a b c d'])(
    'refuses %j',
    (line) => {
      expect(higgsEvent(line)).toBeUndefined();
    },
  );
});
