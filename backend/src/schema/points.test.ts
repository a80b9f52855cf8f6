import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROLES } from '../../../contract/roles.ts';
import type { InteractionEvent } from '../event/event.ts';
import { BUCKET_ROLES, FIELD, formatOf, type Schema } from './buckets.ts';
import { fieldsOf, pointsOf, renderLine, seriesOf, valuesOf } from './points.ts';

const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

const event: InteractionEvent = {
  eventId: 'e1',
  type: 'like',
  occurredAtMs: 1_341_392_702_123,
  actorId: '9223372036854775807',
  receiverId: '12',
  shareId: '4ff3e1c0aaaaaaaaaaaaaaaa',
};

const lines = (e: InteractionEvent, s: Schema, offsetNs: number): string[] =>
  pointsOf(e, s).map((point) => `${point.role}: ${renderLine(point, offsetNs)}`);

describe('the points of an event', () => {
  it('are one per bucket that applies, with prefix and type as tags and the whole id as the field', () => {
    expect(lines(event, schema, 45)).toEqual([
      'made: interaction,prefix=9223,type=like user=9223372036854775807i,pair="9223372036854775807:12" 1341392702123000045',
      'received: interaction,prefix=12,type=like user=12i,pair="12:9223372036854775807" 1341392702123000045',
      'share: interaction,prefix=4ff3e1,type=like share="4ff3e1c0aaaaaaaaaaaaaaaa",pair="4ff3e1c0aaaaaaaaaaaaaaaa:9223372036854775807" 1341392702123000045',
      'total: interaction,type=like made=9223372036854775807i,received=12i,share="4ff3e1c0aaaaaaaaaaaaaaaa" 1341392702123000045',
    ]);
  });

  it('have the tag part in the totals, and there only, of events that occur when totals are split', () => {
    const from = { ...schema, totalsSplitFromMs: event.occurredAtMs };
    expect(lines(event, from, 45).at(-1)).toBe(
      'total: interaction,part=28,type=like made=9223372036854775807i,received=12i,share="4ff3e1c0aaaaaaaaaaaaaaaa" 1341392702123000045',
    );
    expect(lines(event, from, 45).slice(0, -1)).toEqual(lines(event, schema, 45).slice(0, -1));
    expect(lines({ ...event, occurredAtMs: event.occurredAtMs - 1 }, from, 45).at(-1)).toContain(
      'total: interaction,type=like ',
    );
  });

  it.each(BUCKET_ROLES)('of the bucket %s begin with its field, as the type of its ids is stored', (role) => {
    const point = pointsOf(event, schema).find((one) => one.role === role);
    const { ids } = ROLES[role];
    const value = ids !== undefined && formatOf(ids, schema).stored === 'string' ? /^"[^"]+"/ : /^\d+i/;
    expect(point?.fields).toMatch(new RegExp(`^${FIELD[role]}=${value.source.slice(1)}`));
    expect(point?.series.includes(',prefix=')).toBe(ids !== undefined);
  });

  it('say the same to whoever reads them back', () => {
    const without = { receiverId: undefined, shareId: undefined };
    for (const one of [
      event,
      { ...event, shareId: undefined },
      { ...event, receiverId: undefined },
      { ...event, ...without },
    ]) {
      for (const totalsSplitFromMs of [undefined, 0]) {
        const points = pointsOf(one, { ...schema, totalsSplitFromMs });
        for (const role of BUCKET_ROLES) {
          const point = points.find((of) => of.role === role);
          const values = valuesOf(role, one, schema);
          const written = point?.fields.split(',').map((field) => field.split('='));
          expect(written?.map(([name]) => name)).toEqual(values && fieldsOf(role));
          expect(written?.map(([, value = '']) => value.replace(/^"|"$|i$/g, ''))).toEqual(values);
          if (point === undefined) continue;
          expect(fieldsOf(role)[0]).toBe(FIELD[role]);
          const tag = (name: string): string => new RegExp(`,${name}=(\\w+)`).exec(point.series)?.[1] ?? '';
          expect(seriesOf({ type: tag('type'), prefix: tag('prefix'), part: tag('part') })).toBe(point.series);
        }
      }
    }
  });

  it('follow the prefix scheme', () => {
    const last: Schema = {
      ...schema,
      userPrefix: { by: 'last', length: 3 },
      sharePrefix: { by: 'last', length: 2 },
    };
    expect(lines(event, last, 0).map((line) => line.split(' ')[1])).toEqual([
      'interaction,prefix=807,type=like',
      'interaction,prefix=12,type=like',
      'interaction,prefix=aa,type=like',
      'interaction,type=like',
    ]);
  });

  it('leave out received and share where the event has no such id', () => {
    const roles = (e: InteractionEvent) => pointsOf(e, schema).map((point) => point.role);
    expect(roles({ ...event, receiverId: undefined })).toEqual(['made', 'share', 'total']);
    expect(roles({ ...event, shareId: undefined })).toEqual(['made', 'received', 'total']);
  });

  it('name no one at the other end of what was made to a share alone', () => {
    const [made] = pointsOf({ ...event, receiverId: undefined }, schema);
    expect(made?.fields).toBe('user=9223372036854775807i,pair="9223372036854775807:0"');
  });

  it('keep the millisecond exactly, whatever the offsetNs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }), fc.nat(999_999), (ms, offsetNs) => {
        const [point] = pointsOf({ ...event, occurredAtMs: ms }, schema);
        const time = BigInt(renderLine(point!, offsetNs).split(' ').at(-1)!);
        expect(time).toBe(BigInt(ms) * 1_000_000n + BigInt(offsetNs));
      }),
    );
  });
});
