import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEvent } from '../event/parse.ts';
import { lineOf, templateOf } from './line-template.ts';

const ARCHIVED = { arrivalMs: Infinity, maxAheadMs: 0, archived: true } as const;

function eventOf(line: string) {
  const parsed = parseEvent(Buffer.from(line), ARCHIVED);
  if ('code' in parsed) throw new Error(`${parsed.reason} ${line}`);
  return parsed.event;
}

const ISO = '2026-11-20T10:00:00.123Z';

describe('templateOf', () => {
  it.each([
    [
      `{"eventId":"e1","type":"like","occurredAt":"${ISO}","actorId":"7","receiverId":"88","shareId":"65ba3ac07b1f4e0012345678"}`,
      '{"eventId":"\u0001","type":"\u0002","occurredAt":"\u0003","actorId":"\u0005","receiverId":"\u0006","shareId":"\u0007"}',
    ],
    // Numbers.
    [
      '{"occurredAt":1795168800123,"receiverId":9223372036854775807,"eventId":"7","type":"a","actorId":7}',
      '{"occurredAt":\u0004,"receiverId":\u0006,"eventId":"\u0001","type":"\u0002","actorId":\u0005}',
    ],
    // Written in another way: it stays.
    [
      '{"eventId":"\\u0065","type": "like","occurredAt":"2026-11-20t10:00Z","actorId":"7","receiverId":8}',
      '{"eventId":"\\u0065","type": "like","occurredAt":"2026-11-20t10:00Z","actorId":"\u0005","receiverId":\u0006}',
    ],
    // The first member of that name may be another object's.
    [
      '{"x":{"eventId":"e"},"eventId":"e","type":"like","occurredAt":1795168800123,"actorId":7,"receiverId":8}',
      '{"x":{"eventId":"\u0001"},"eventId":"e","type":"\u0002","occurredAt":\u0004,"actorId":\u0005,"receiverId":\u0006}',
    ],
  ])('leaves out of %s what columns hold', (line, template) => {
    const event = eventOf(line);
    expect(templateOf(line, event)).toBe(template);
    expect(lineOf(template, event)).toBe(line);
  });

  it('gives every line back, whatever it holds besides', () => {
    let marks = 0;
    let texts = 0;
    const id = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map(String);
    const either = (text: string) => fc.constantFrom(text, `"${text}"`);
    const occurredAt = fc
      .integer({ min: 946_684_800_000, max: 4_102_444_800_000 })
      .chain((ms) =>
        fc.constantFrom(String(ms), `"${new Date(ms).toISOString()}"`, `"${new Date(ms).toISOString().toLowerCase()}"`),
      );
    const extra = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
    const line = fc
      .record({
        eventId: fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
        type: fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/),
        occurredAt,
        actorId: id.chain(either),
        receiverId: id.chain(either),
        extra,
        first: fc.boolean(),
        space: fc.constantFrom('', ' ', '\t'),
      })
      .map(({ eventId, type, occurredAt: time, actorId, receiverId, extra: more, first, space }) => {
        const {
          eventId: _,
          type: __,
          occurredAt: ___,
          actorId: ____,
          receiverId: _____,
          shareId: ______,
          ...rest
        } = more;
        const own = `"eventId":${JSON.stringify(eventId)},"type":${space}"${type}","occurredAt":${time},"actorId":${actorId},"receiverId":${space}${receiverId}`;
        const others = JSON.stringify({ nested: { eventId, actorId: '1' }, ...rest }).slice(1, -1);
        return first ? `{${own},${others}}` : `{${others},${own}}`;
      });
    fc.assert(
      fc.property(line, (text) => {
        const parsed = parseEvent(Buffer.from(text), ARCHIVED);
        // A half surrogate, say: no line of the archive.
        if ('code' in parsed) return;
        texts++;
        const template = templateOf(text, parsed.event);
        if (template !== text) marks++;
        expect(lineOf(template, parsed.event)).toBe(text);
      }),
      { numRuns: 2_000 },
    );
    expect(texts).toBeGreaterThan(1_000);
    expect(marks).toBeGreaterThan(1_000);
  });
});
