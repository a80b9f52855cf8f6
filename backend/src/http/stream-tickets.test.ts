import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { variableSecret } from '../secrets.ts';
import { StreamTickets, type StreamQuestion } from './stream-tickets.ts';

const QUESTION: StreamQuestion = {
  preset: 'received',
  ids: ['88'],
  types: [],
  every: '10s',
  timezone: 'Europe/Berlin',
};
const token = (text: string) => variableSecret('USERPULSE_API_TOKEN', text);

function tickets(options: { token?: string; lifeMs?: number } = {}) {
  const at = { ms: 1_000_000 };
  const { lifeMs = 300_000 } = options;
  const secret = options.token === undefined ? undefined : token(options.token);
  return { at, tickets: new StreamTickets({ token: secret, lifeMs, now: () => at.ms }) };
}

describe('a stream ticket', () => {
  it('opens the question that it was issued for, whatever is in it', () => {
    const { tickets: own } = tickets({ token: 'a'.repeat(16) });
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), fc.array(text, { maxLength: 5 }), text, (ids, types, every) => {
        const question = { preset: 'made', ids, types, every };
        expect(own.open(own.issue(question).ticket)).toEqual(question);
      }),
    );
  });

  it('is good until it expires, and says when that was', () => {
    const { at, tickets: own } = tickets({ token: 'a'.repeat(16) });
    const { ticket, expiresAtMs } = own.issue(QUESTION);
    expect(expiresAtMs).toBe(1_300_000);
    at.ms = expiresAtMs - 1;
    expect(own.open(ticket)).toEqual(QUESTION);
    at.ms = expiresAtMs;
    expect(() => own.open(ticket)).toThrow('The stream ticket expired at 1970-01-01T00:21:40.000Z.');
  });

  it('is taken by every server with the same token, and by no other', () => {
    const { ticket } = tickets({ token: 'a'.repeat(16) }).tickets.issue(QUESTION);
    expect(tickets({ token: 'a'.repeat(16) }).tickets.open(ticket)).toEqual(QUESTION);
    const refused = 'This is not a valid stream ticket.';
    expect(() => tickets({ token: 'b'.repeat(16) }).tickets.open(ticket)).toThrow(refused);
    expect(() => tickets().tickets.open(ticket)).toThrow(refused);
    expect(() => tickets().tickets.open(tickets().tickets.issue(QUESTION).ticket)).toThrow(refused);
  });

  it('is refused with any other character, and however it is cut or joined', () => {
    const { tickets: own } = tickets({ token: 'a'.repeat(16) });
    const { ticket } = own.issue(QUESTION);
    const other = own.issue({ ...QUESTION, ids: ['9'] }).ticket;
    const refused = 'This is not a valid stream ticket.';
    fc.assert(
      fc.property(fc.nat(ticket.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        fc.pre(ticket[at] !== character);
        expect(() => own.open(ticket.slice(0, at) + character + ticket.slice(at + 1))).toThrow(refused);
        expect(() => own.open(ticket.slice(0, at))).toThrow(refused);
      }),
      { numRuns: 500 },
    );
    const [payload = ''] = ticket.split('.');
    const [, signature = ''] = other.split('.');
    for (const made of [
      '',
      '.',
      ticket + '.',
      `${ticket}.${signature}`,
      `${payload}.${signature}`,
      'x'.repeat(100_000),
    ])
      expect(() => own.open(made), made.slice(0, 80)).toThrow(refused);
  });

  it('is not issued for more than fits into an address', () => {
    const { tickets: own } = tickets({ token: 'a'.repeat(16) });
    expect(
      own.issue({ ...QUESTION, preset: 'share', ids: Array.from({ length: 50 }, () => 'a'.repeat(24)) }),
    ).toBeDefined();
    expect(() => own.issue({ ...QUESTION, ids: Array.from({ length: 1_000 }, () => '9007199254740993') })).toThrow(
      'The ticket would be too long for an address.',
    );
  });
});
