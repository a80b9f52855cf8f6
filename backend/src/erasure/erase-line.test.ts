import { DEFAULT_ID_FORMATS } from '../../../contract/ids.ts';
import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseLine } from '../archive/day-lines.ts';
import { deadLetterLine, parseDeadLetter } from '../archive/dead-letter.ts';
import { dayOf } from '../archive/keys.ts';
import { aggregate } from '../event/kpl.ts';
import type { InteractionEvent } from '../event/event.ts';
import { identityOf } from '../schema/identity.ts';
import { ERASED_REASON, LineEraser, type ErasedLine } from './erase-line.ts';
import { ErasureKey } from './erasure-key.ts';
import { replacementOf, type Subject } from './erase-event.ts';

const key = new ErasureKey('a-key-that-is-long-enough-for-tests');
const MS = Date.UTC(2012, 6, 1, 12);
const DAY = dayOf(MS);
const SHARE = '4ff3000000000000000000ab';

const eraserOf = (subject: Subject, how: 'nobody' | 'pseudonym' = 'nobody') =>
  new LineEraser(subject, replacementOf(subject, how, key, DEFAULT_ID_FORMATS), key, DEFAULT_ID_FORMATS);
const user = (id: string): Subject => ({ kind: 'user', id });
const textOf = (erased: ErasedLine): string => ('line' in erased ? Buffer.from(erased.line).toString() : erased.kind);

/** An id as JSON may write it: a number, a text, a text in escapes. */
const written = (id: string, how: number): string =>
  [id, `"${id}"`, `"${id.replace(/./g, (digit) => `\\u00${digit.charCodeAt(0).toString(16)}`)}"`][how % 3] ?? id;

// Ids that are beginnings, ends and middles of each other, beyond 2^53, and at both ends.
const USERS = ['8', '88', '888', '1880', '9007199254740993', '90071992547409931', '9223372036854775807', '1'];
const userId = fc.constantFrom(...USERS);
const how = fc.nat(2);
const event = fc.record({
  eventId: fc.oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    userId,
    userId.map((id) => `${id}-like-${id}`),
  ),
  type: fc.constantFrom('like', 'reply'),
  ms: fc.nat(1_000).map((n) => MS + n),
  actorId: userId,
  receiverId: fc.option(userId, { nil: undefined }),
  shareId: fc.constantFrom(SHARE, '880000000000000000000088'),
  how: fc.tuple(how, how),
  spaces: fc.constantFrom('', ' ', '\t '),
  further: fc.constantFrom('', ',"text":"88 or \\"actorId\\":8"', ',"age":88', ',"nested":{"actorId":[8,"88"]}'),
});
type Drawn = typeof event extends fc.Arbitrary<infer T> ? T : never;

const lineOf = ({ eventId, type, ms, actorId, receiverId, shareId, how: [a, b], spaces: s, further }: Drawn): Buffer =>
  Buffer.from(
    `{"eventId":${s}${JSON.stringify(eventId)},"type":"${type}","occurredAt":${ms},"actorId":${s}${written(actorId, a)}` +
      `${receiverId === undefined ? '' : `,"receiverId":${written(receiverId, b)}`},"shareId":"${shareId}"${further}}`,
  );

const parsed = (line: Uint8Array): InteractionEvent => {
  const found = parseLine(line, DAY, DEFAULT_ID_FORMATS);
  if ('code' in found) throw new Error(found.reason);
  return found;
};

describe('a line of the archive', () => {
  it('loses exactly the id, however it is written, and keeps its place', () => {
    const seen = { erased: 0, kept: 0, mentioned: 0, escaped: 0 };
    fc.assert(
      fc.property(event, userId, fc.constantFrom('nobody', 'pseudonym'), (drawn, id, mode) => {
        const before = parsed(lineOf(drawn));
        const erased = eraserOf(user(id), mode).event(lineOf(drawn), DAY);
        const text = replacementOf(user(id), mode, key, DEFAULT_ID_FORMATS);
        if (before.actorId !== id && before.receiverId !== id) {
          expect(['kept', 'mentioned']).toContain(erased.kind);
          seen[erased.kind as 'kept']++;
          if (erased.kind !== 'mentioned') return;
          // Only what is outside of the contract's fields goes.
          const { eventId: _, ...rest } = parsed(erased.line);
          const { eventId: __, ...same } = before;
          expect(rest).toEqual(same);
          return;
        }
        seen.erased++;
        if (drawn.how.includes(2)) seen.escaped++;
        if (erased.kind !== 'erased') throw new Error(erased.kind);
        const after = parsed(erased.line);
        const of = (found: string | undefined) => (found === id ? text : found);
        expect(after).toEqual({
          ...before,
          eventId: after.eventId,
          actorId: of(before.actorId),
          receiverId: of(before.receiverId),
        });
        expect(identityOf(after).offsetNs).toBe(identityOf(before).offsetNs);
        expect(Object.keys(JSON.parse(textOf(erased)) as object).sort()).toEqual(
          ['actorId', 'eventId', 'occurredAt', 'shareId', 'type', ...(before.receiverId ? ['receiverId'] : [])].sort(),
        );
        // Again, nothing is left to do.
        expect(eraserOf(user(id), mode).event(erased.line, DAY).kind).not.toBe('erased');
      }),
      { numRuns: 3_000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
  });

  it('of an event that is sent twice gives one event', () => {
    fc.assert(
      fc.property(event, how, how, (drawn, a, b) => {
        const eraser = eraserOf(user(drawn.actorId));
        const [one, two] = [drawn, { ...drawn, how: [a, b] as [number, number], further: '' as const }].map((each) =>
          eraser.event(lineOf(each), DAY),
        );
        expect(textOf(one!)).toBe(textOf(two!));
      }),
    );
  });

  it('can lose one id after another', () => {
    const line = Buffer.from(
      `{"eventId":"e","type":"like","occurredAt":${MS},"actorId":8,"receiverId":"88","shareId":"${SHARE}"}`,
    );
    const subjects: readonly Subject[] = [user('8'), user('88'), { kind: 'share', id: SHARE }];
    const erased = subjects.reduce((left: Uint8Array, subject) => {
      const next = eraserOf(subject).event(left, DAY);
      if (next.kind !== 'erased') throw new Error(next.kind);
      return next.line;
    }, line);
    expect(parsed(erased)).toMatchObject({ actorId: '0', receiverId: '0', shareId: '-' });
  });

  it('that is no event is left, and told of where it has the id', () => {
    const eraser = eraserOf(user('88'));
    expect(eraser.event(Buffer.from('{"actorId":88'), DAY).kind).toBe('unreadable');
    expect(eraser.event(Buffer.from('{"actorId":"\\u0038\\u0038"'), DAY).kind).toBe('unreadable');
    expect(eraser.event(Buffer.from('{"actorId":188'), DAY).kind).toBe('kept');
    const other = `{"eventId":"e","type":"like","occurredAt":${MS},"actorId":88,"receiverId":7}`;
    expect(eraser.event(Buffer.from(other), DAY + 1).kind).toBe('unreadable');
  });
});

describe('a dead letter', () => {
  const letter = (data: Uint8Array, more: { partitionKey?: string; reason?: string } = {}) =>
    deadLetterLine({
      code: 'not_json',
      reason: 'The record is not JSON.',
      shardId: 'shardId-000000000000',
      sequenceNumber: '1',
      subSequence: undefined,
      partitionKey: 'key',
      arrivalMs: MS,
      data,
      ...more,
    });
  const named = `{"actorId":88,"receiverId":7}`;
  it.each([
    ['as it is', letter(Buffer.from(named))],
    ['in escapes', letter(Buffer.from('{"actorId":"\\u0038\\u0038"}'))],
    ['compressed', letter(gzipSync(named))],
    ['in an aggregated record', letter(aggregate([{ partitionKey: 'k', data: Buffer.from(named) }]).data)],
    ['beside bytes that are no text', letter(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(named)]))],
    ['in the partition key', letter(Buffer.from('x'), { partitionKey: '88' })],
    ['in the reason', letter(Buffer.from('x'), { reason: 'actorId is "88 ".' })],
  ])('that names somebody loses its bytes: %s', (_, line) => {
    const erased = eraserOf(user('88')).deadLetter(line);
    const left = parseDeadLetter(textOf(erased));
    expect(left).toEqual({
      ...parseDeadLetter(Buffer.from(line).toString()),
      reason: ERASED_REASON,
      partitionKey: 'erased',
      data: '',
    });
    expect(eraserOf(user('88')).deadLetter(Buffer.from(textOf(erased))).kind).toBe('kept');
  });

  it('that names others stays', () => {
    const line = letter(Buffer.from('{"actorId":188,"receiverId":"880","at":1341144088}'), { partitionKey: 'a88' });
    expect(eraserOf(user('88')).deadLetter(line).kind).toBe('kept');
  });
});
