import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameReader, type Frame } from './kcl-frames.ts';

const frame = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  handle: fc.integer({ min: 0, max: 0xffff_ffff }),
  texts: fc.array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.constant('')), { maxLength: 8 }),
});

describe('frames', () => {
  it('come out as they went in, whatever pieces they arrive in', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
        (frames, cuts) => {
          const bytes = Buffer.concat(frames.map(encodeFrame));
          const reader = new FrameReader();
          const read: Frame[] = [];
          for (let at = 0, n = 0; at < bytes.length; n++) {
            const end = at + (cuts[n % cuts.length] ?? 1);
            read.push(...reader.push(bytes.subarray(at, end)));
            at = end;
          }
          expect(read).toEqual(frames);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are pinned: the program in Java reads the same bytes', () => {
    expect(encodeFrame({ type: 1, handle: 258, texts: ['7', 'ä'] }).toString('hex')).toBe(
      '00000010' + '01' + '00000102' + '00000001' + '37' + '00000002' + 'c3a4',
    );
  });

  it.each([
    ['no frame', '00000002' + '0100', /says that it has 2 bytes/],
    ['a frame without end', 'ffffffff', /says that it has 4294967295 bytes/],
    ['a text beyond its frame', '00000009' + '01' + '00000000' + '00000005', /longer than its frame/],
    ['a cut text', '00000007' + '01' + '00000000' + '0000', /longer than its frame/],
  ])('are refused where they are %s', (_name, hex, message) => {
    expect(() => new FrameReader().push(Buffer.from(hex, 'hex'))).toThrow(message);
  });
});
