import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InteractionEvent } from '../event/event.ts';
import { baseOffset, eventKey, identityOf, nextOffset, OFFSETS, partOf, PARTS } from './identity.ts';
import { Murmur128, murmur32 } from './murmur.ts';

const event: InteractionEvent = {
  eventId: 'e1',
  type: 'like',
  occurredAtMs: 1_341_392_702_123,
  actorId: '1',
  receiverId: '2',
  shareId: '4ff3e1c0aaaaaaaaaaaaaaaa',
};

describe('MurmurHash3', () => {
  it.each([
    // Published values of MurmurHash3_x86_32 with seed 0.
    ['', 0],
    ['test', 0xba6bd213],
    ['Hello, world!', 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
  ])('has the published 32-bit value of %j', (text, value) => {
    expect(murmur32(text)).toBe(value);
  });

  it('is the 128-bit x86 variant over UTF-16 units', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(
          new Murmur128()
            .text(text)
            .end()
            .map((word) => word >>> 0),
        ).toEqual(referenceX86x128(Buffer.from(text, 'utf16le')));
      }),
      { numRuns: 60 },
    );
  });
});

describe('Murmur128', () => {
  it('hashes what it was given piece by piece as one text, again and again', () => {
    const piece = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.maxSafeNat());
    const hash = new Murmur128();
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        for (const each of pieces) {
          if (typeof each === 'string') hash.text(each);
          else hash.number(each);
        }
        expect(hash.end([1, 2, 3, 4])).toEqual(new Murmur128().text(pieces.join('')).end([1, 2, 3, 4]));
      }),
    );
  });
});

describe('baseOffset', () => {
  // The data contract: a change of any of these writes every event of the past a second time beside itself.
  it.each([
    ['e1', 954949],
    ['0', 670207],
    ['01HZX3V7Q2J8YB6M4T5N9K0PCD', 440490],
    ['3f2504e0-4f89-41d3-9a0c-0305e82c3301', 225739],
    ['grüße', 952266],
    ['日本語', 17879],
    ['😀', 479546],
  ])('is pinned for %s', (eventId, offsetNs) => {
    expect(baseOffset(eventId)).toBe(offsetNs);
  });

  it('spreads ids that differ little over the whole millisecond', () => {
    // 100,000 ids into 100 parts of the millisecond: 1,000 expected in each, standard deviation 31.
    const parts = new Array<number>(100).fill(0);
    for (let n = 0; n < 100_000; n++) {
      const part = Math.floor(baseOffset(`event-${n}`) / (OFFSETS / parts.length));
      parts[part] = (parts[part] ?? 0) + 1;
    }
    expect(Math.min(...parts)).toBeGreaterThan(1_000 - 6 * 31);
    expect(Math.max(...parts)).toBeLessThan(1_000 + 6 * 31);
  });
});

describe('partOf', () => {
  // The data contract: a change of any of these writes totals of the past a second time beside themselves.
  it.each([
    ['e1', 28],
    ['01HZX3V7Q2J8YB6M4T5N9K0PCD', 48],
    ['3f2504e0-4f89-41d3-9a0c-0305e82c3301', 4],
    ['grüße', 10],
    ['😀', 63],
  ])('is pinned for %s', (eventId, part) => {
    expect(partOf(eventId)).toBe(part);
  });

  it('parts events that want one offset as well as any others', () => {
    const byOffset = new Map<number, number>();
    let pairs = 0;
    let together = 0;
    const parts = new Array<number>(PARTS).fill(0);
    for (let n = 0; n < 200_000; n++) {
      const [offset, part] = [baseOffset(`event-${n}`), partOf(`event-${n}`)];
      parts[part] = (parts[part] ?? 0) + 1;
      const before = byOffset.get(offset);
      byOffset.set(offset, part);
      if (before === undefined) continue;
      pairs++;
      if (before === part) together++;
    }
    expect(pairs).toBeGreaterThan(15_000);
    // One in 64, standard deviation 16 of 250.
    expect(together).toBeLessThan(pairs / PARTS + 6 * 16);
    expect(Math.min(...parts)).toBeGreaterThan(3_125 - 6 * 56);
    expect(Math.max(...parts)).toBeLessThan(3_125 + 6 * 56);
  });
});

describe('nextOffset', () => {
  it('stays within the millisecond', () => {
    expect([0, 7, OFFSETS - 1].map(nextOffset)).toEqual([1, 8, 0]);
  });
});

describe('eventKey', () => {
  it('is equal for equal events', () => {
    expect(eventKey({ ...event })).toBe(eventKey(event));
    expect(eventKey(event)).toMatch(/^[0-9a-f]{32}$/);
  });

  it('differs when any part of an event does', () => {
    const variants: InteractionEvent[] = [
      event,
      { ...event, eventId: 'e2' },
      { ...event, eventId: 'e\ud800' },
      { ...event, eventId: 'e\ud801' },
      { ...event, type: 'likes' },
      { ...event, occurredAtMs: event.occurredAtMs + 1 },
      { ...event, actorId: '2', receiverId: '1' },
      { ...event, actorId: '12', receiverId: undefined },
      { ...event, receiverId: undefined },
      { ...event, shareId: undefined },
      { ...event, eventId: 'e1|like' },
    ];
    expect(new Set(variants.map(eventKey)).size).toBe(variants.length);
  });

  it('takes its offsetNs from the event id alone', () => {
    expect(identityOf({ ...event, type: 'x', occurredAtMs: 1, actorId: '9' }).offsetNs).toBe(
      identityOf(event).offsetNs,
    );
  });
});

/** Written from the published algorithm over bytes, without regard for speed. */
function referenceX86x128(bytes: Buffer): number[] {
  const c = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93];
  const add = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17];
  const kRotate = [15, 16, 17, 18];
  const hRotate = [19, 17, 15, 13];
  const rotl = (x: number, r: number) => ((x << r) | (x >>> (32 - r))) >>> 0;
  const mul = (a: number, b: number) => Number((BigInt(a) * BigInt(b)) & 0xffffffffn);
  const plus = (...xs: number[]) => xs.reduce((a, b) => (a + b) % 0x1_0000_0000, 0);
  const h = [0, 0, 0, 0];
  const absorb = (block: Buffer, lane: number) =>
    mul(rotl(mul(block.readUInt32LE(lane * 4), c[lane]!), kRotate[lane]!), c[(lane + 1) % 4]!);
  const whole = Math.floor(bytes.length / 16);
  for (let n = 0; n < whole; n++) {
    const block = bytes.subarray(n * 16, n * 16 + 16);
    for (let lane = 0; lane < 4; lane++) {
      h[lane] = (h[lane]! ^ absorb(block, lane)) >>> 0;
      h[lane] = plus(mul(plus(rotl(h[lane]!, hRotate[lane]!), h[(lane + 1) % 4]!), 5), add[lane]!);
    }
  }
  const tail = Buffer.alloc(16);
  bytes.copy(tail, 0, whole * 16);
  for (let lane = 0; lane < 4; lane++) h[lane] = (h[lane]! ^ absorb(tail, lane) ^ bytes.length) >>> 0;
  const spread = () => {
    h[0] = plus(...h);
    for (let lane = 1; lane < 4; lane++) h[lane] = plus(h[lane]!, h[0]);
  };
  spread();
  for (let lane = 0; lane < 4; lane++) {
    let x = h[lane]!;
    x = mul((x ^ (x >>> 16)) >>> 0, 0x85ebca6b);
    x = mul((x ^ (x >>> 13)) >>> 0, 0xc2b2ae35);
    h[lane] = (x ^ (x >>> 16)) >>> 0;
  }
  spread();
  return h;
}
