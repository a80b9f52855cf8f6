import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baseOffset, partOf } from '../schema/identity.ts';
import { murmur32 } from '../schema/murmur.ts';
import { erasedEventId } from './erased-event-id.ts';
import { ErasureKey } from './erasure-key.ts';

const key = new ErasureKey('a-key-that-is-long-enough-for-tests');

describe('erasedEventId', () => {
  it('keeps the place of every event, and nothing of its id', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 128, unit: 'binary' }), (eventId) => {
        const erased = erasedEventId(eventId, key);
        expect(erased).toMatch(/^erased-[A-Za-z0-9_-]{29}$/);
        expect(murmur32(erased)).toBe(murmur32(eventId));
        expect([baseOffset(erased), partOf(erased)]).toEqual([baseOffset(eventId), partOf(eventId)]);
        // Once more changes nothing: an event that is erased twice stays one event.
        expect(erasedEventId(erased, key)).toBe(erased);
      }),
      { numRuns: 2_000 },
    );
  });

  it('tells events apart, and keys', () => {
    const ids = Array.from({ length: 5_000 }, (_, n) => erasedEventId(`88-${n}`, key));
    expect(new Set(ids).size).toBe(ids.length);
    expect(erasedEventId('88-1', new ErasureKey('another-key-that-is-long-enough'))).not.toBe(ids[1]);
  });
});
