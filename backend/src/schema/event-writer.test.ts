import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_KINDS, type IdFormat, type IdFormats } from '../../../contract/ids.ts';
import type { InteractionEvent } from '../event/event.ts';
import { BUCKET_ROLES, type Schema } from './buckets.ts';
import { EventWriter, rolesOf } from './event-writer.ts';
import { hourOf } from './hour-marks.ts';
import { hexOf } from './identity.ts';
import { LineBlock } from './line-block.ts';
import { groupOfPoint } from './offsets.ts';
import { pointsOf, renderLine } from './points.ts';

const IDS: Readonly<Record<IdFormat, fc.Arbitrary<string>>> = {
  int64: fc.oneof(
    fc.bigInt({ min: 1n, max: 9_223_372_036_854_775_807n }).map(String),
    fc.integer({ min: 1, max: 12_345 }).map(String),
    fc.constant('0'),
  ),
  objectid: fc.oneof(fc.stringMatching(/^[0-9a-f]{24}$/), fc.constant('-')),
  text: fc.oneof(fc.stringMatching(/^[A-Za-z0-9._~:/@+=|-]{1,128}$/), fc.constant('-')),
};
const ms = fc.oneof(
  fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }),
  fc.constantFrom(999_999_999_999, 1_000_000_000_000, 2_147_483_648_000, 9_999_999_999_999, 10_000_000_000_000),
);
const event = ({ user, share }: IdFormats): fc.Arbitrary<InteractionEvent> =>
  fc.record({
    eventId: fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }),
    type: fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/),
    occurredAtMs: ms,
    actorId: IDS[user],
    receiverId: fc.option(IDS[user], { nil: undefined }),
    shareId: fc.option(IDS[share], { nil: undefined }),
  });
const scheme = (most: number) =>
  fc.record({
    by: fc.constantFrom('first' as const, 'last' as const, 'hash' as const),
    length: fc.integer({ min: 1, max: most }),
  });
const formats: fc.Arbitrary<IdFormats> = fc.record({
  user: fc.constantFrom(...ID_KINDS.user.formats),
  share: fc.constantFrom(...ID_KINDS.share.formats),
});
const schema = fc.record({
  ids: formats,
  buckets: fc.constant({ made: 'm', received: 'r', share: 's', total: 't' }),
  userPrefix: scheme(6),
  sharePrefix: scheme(8),
  totalsSplitFromMs: fc.option(ms, { nil: undefined }),
});

describe('EventWriter', () => {
  it('writes what pointsOf and renderLine say, point by point, and hashes the series alike', () => {
    fc.assert(
      fc.property(
        schema.chain((of) =>
          fc.tuple(
            fc.constant<Schema>(of),
            fc.array(fc.tuple(event(of.ids), fc.nat(999_999), fc.nat(999_999)), { minLength: 1, maxLength: 8 }),
          ),
        ),
        ([of, events]) => {
          const writer = new EventWriter(of);
          const blocks = {
            made: new LineBlock(),
            received: new LineBlock(),
            share: new LineBlock(),
            total: new LineBlock(),
          };
          const expected: Record<string, string[]> = { made: [], received: [], share: [], total: [] };
          const hours: Record<string, Set<number>> = {
            made: new Set(),
            received: new Set(),
            share: new Set(),
            total: new Set(),
          };
          for (const [each, own, other] of events) {
            const points = pointsOf(each, of);
            expect(rolesOf(each)).toEqual(points.map(({ role }) => role));
            for (const point of points) {
              const { role } = point;
              // Nearly always an event's points have one offset.
              const offsetNs = role === 'share' ? other : own;
              writer.begin(blocks[role], role, each);
              expect(`${role} ${hexOf([writer.seriesMs.half0, writer.seriesMs.half1])}`).toBe(groupOfPoint(point));
              writer.end(blocks[role], role, each, offsetNs);
              expected[role]?.push(renderLine(point, offsetNs));
              hours[role]?.add(hourOf(point.ms));
            }
          }
          for (const role of BUCKET_ROLES) {
            const { length } = blocks[role];
            expect(length).toBe(expected[role]?.length);
            expect(blocks[role].hours).toEqual(hours[role]);
            if (length === 0) continue;
            expect(Buffer.from(blocks[role].bytes(0, length)).toString()).toBe(expected[role]?.join('\n'));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
