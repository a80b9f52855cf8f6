import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IdFormats } from '../../../contract/ids.ts';
import { eventKey } from '../schema/identity.ts';
import type { InteractionEvent } from './event.ts';
import { parseEvent } from './parse.ts';

const ARRIVAL_MS = Date.UTC(2026, 0, 31, 12);
const TEXT: IdFormats = { user: 'text', share: 'text' };

const line = (ids: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ eventId: 'e', type: 'like', occurredAt: ARRIVAL_MS, ...ids });

const read = (text: string, ids: IdFormats, archived = false) =>
  parseEvent(Buffer.from(text), { arrivalMs: ARRIVAL_MS, maxAheadMs: 0, ids, ...(archived && { archived }) });

function eventOf(text: string, ids = TEXT, archived = false): InteractionEvent {
  const parsed = read(text, ids, archived);
  if ('code' in parsed) throw new Error(parsed.reason);
  return parsed.event;
}

function reasonOf(text: string, ids = TEXT): string {
  const parsed = read(text, ids);
  if (!('code' in parsed)) throw new Error('It is an event.');
  return parsed.reason;
}

describe('text ids', () => {
  it('are taken as they are', () => {
    const ids = { actorId: 'auth0|Ada', receiverId: 'did:plc:7', shareId: 'at://did:plc:7/post/3k=' };
    expect(eventOf(line(ids))).toMatchObject(ids);
    // PHP writes a slash so.
    expect(eventOf(line(ids).replaceAll('/', '\\/'))).toMatchObject(ids);
  });

  it.each([
    [88, 'Send it in quotes.'],
    [' ada', 'Send it without white space at its ends.'],
    ['müller', 'Send an ID of ASCII'],
    ['{9b2f6c1e-4d0a-4f5e-8a37-2f1c9d7e6b10}', 'Send the UUID without braces.'],
    ['null', 'stand for no value? The field is required.'],
    ['0', 'Does it stand for no user? The field is required.'],
    ['-', 'stand for no value?'],
    [{ $oid: '4ff300000000000000000000' }, 'MongoDB'],
    ['a,b', 'it must be a string of 1 to 128 of a-z A-Z 0-9'],
    ['', 'it must be a string of 1 to 128'],
  ])('%j is refused with what to do', (actorId, hint) => {
    expect(reasonOf(line({ actorId, shareId: 's' }))).toContain(hint);
  });

  it('of a share that is missing may be left out', () => {
    expect(reasonOf(line({ actorId: 'a', shareId: 'undefined' }))).toContain('Leave the member out');
  });

  it('of UUIDs are pointed to where ids have another format', () => {
    const uuid = '9b2f6c1e-4d0a-4f5e-8a37-2f1c9d7e6b10';
    const formats: IdFormats = { user: 'int64', share: 'objectid' };
    expect(reasonOf(line({ actorId: uuid, receiverId: 1 }), formats)).toContain('USERPULSE_USER_ID=text');
    expect(reasonOf(line({ actorId: 1, shareId: uuid }), formats)).toContain('USERPULSE_SHARE_ID=text');
  });

  it('tell events apart that differ in where a separator stands', () => {
    const id = fc.string({ unit: fc.constantFrom('a', '|'), minLength: 1, maxLength: 3 });
    const ids = fc.record({ actorId: id, receiverId: fc.option(id, { nil: undefined }), shareId: id });
    fc.assert(
      fc.property(ids, ids, (a, b) => {
        const event = { eventId: 'e', type: 'like', occurredAtMs: ARRIVAL_MS };
        const same = JSON.stringify(Object.entries(a)) === JSON.stringify(Object.entries(b));
        expect(eventKey({ ...event, ...a }) === eventKey({ ...event, ...b })).toBe(same);
      }),
    );
  });
});

describe('int64 ids of shares', () => {
  const formats: IdFormats = { user: 'int64', share: 'int64' };
  it('keep every digit', () => {
    expect(
      eventOf(
        `{"eventId":"e","type":"like","occurredAt":${ARRIVAL_MS},"actorId":1,"shareId":9223372036854775807}`,
        formats,
      ),
    ).toMatchObject({
      shareId: '9223372036854775807',
    });
    expect(reasonOf(line({ actorId: 1, shareId: 0 }), formats)).toContain(
      'Does it stand for no share? Leave the member out',
    );
    expect(reasonOf(line({ actorId: 1, shareId: '4ff3000000000000000000ab' }), formats)).toContain('shareId is');
  });
});

describe('what was archived when ids had another format', () => {
  it('is read as text', () => {
    const old = `{"eventId":"e","type":"like","occurredAt":${ARRIVAL_MS},"actorId":9223372036854775807,"receiverId":"88","shareId":"4ff3000000000000000000ab"}`;
    expect(eventOf(old, TEXT, true)).toMatchObject({
      actorId: '9223372036854775807',
      receiverId: '88',
      shareId: '4ff3000000000000000000ab',
    });
    expect(reasonOf(old)).toContain('Send it in quotes.');
  });

  it('and erased stays erased', () => {
    for (const [actorId, ids] of [
      ['0', TEXT],
      ['-', { user: 'int64', share: 'objectid' }],
    ] as const)
      expect(eventOf(line({ actorId, shareId: '4ff3000000000000000000ab' }), ids, true).actorId).toBe(
        ids.user === 'text' ? '-' : '0',
      );
    expect(reasonOf(line({ actorId: '-', shareId: 's' }))).toContain('actorId is "-"');
  });
});
