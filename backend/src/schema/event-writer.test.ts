import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_KINDS } from '../../../contract/ids.ts';
import { PREFIX_BY } from '../../../contract/prefix.ts';
import type { InteractionEvent } from '../event/event.ts';
import { BUCKET_ROLES, type Schema } from './buckets.ts';
import { EventWriter } from './event-writer.ts';
import { hourOf } from './hour-marks.ts';
import { hexOf } from './identity.ts';
import { LineBlock } from './line-block.ts';
import { groupOfPoint } from './offsets.ts';
import { pointsOf, renderLine, rolesOf } from './points.ts';

const id = fc.oneof(
  fc.bigInt({ min: 1n, max: 9_223_372_036_854_775_807n }).map(String),
  fc.integer({ min: 1, max: 12_345 }).map(String),
  fc.stringMatching(/^[0-9a-f]{24}$/),
  // The odd ones that a text may have.
  fc.stringMatching(/^[A-Za-z0-9|:._@-]{1,60}$/),
  fc.constantFrom('0', '-'),
);
const ms = fc.oneof(
  fc.integer({ min: 946_684_800_000, max: 4_102_444_800_000 }),
  fc.constantFrom(999_999_999_999, 1_000_000_000_000, 2_147_483_648_000, 9_999_999_999_999, 10_000_000_000_000),
);
const event: fc.Arbitrary<InteractionEvent> = fc.record({
  eventId: fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }),
  type: fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/),
  occurredAtMs: ms,
  actorId: id,
  receiverId: fc.option(id, { nil: undefined }),
  shareId: fc.option(id, { nil: undefined }),
});
const scheme = (most: number) =>
  fc.record({ by: fc.constantFrom(...PREFIX_BY), length: fc.integer({ min: 1, max: most }) });
const schema: fc.Arbitrary<Schema> = fc.record({
  buckets: fc.constant({ made: 'm', received: 'r', share: 's', total: 't' }),
  ids: fc.option(
    fc.record({
      user: fc.constantFrom(...ID_KINDS.user.formats),
      share: fc.constantFrom(...ID_KINDS.share.formats),
    }),
    { nil: undefined },
  ),
  userPrefix: scheme(6),
  sharePrefix: scheme(8),
  totalsSplitFromMs: fc.option(ms, { nil: undefined }),
});

describe('EventWriter', () => {
  it('writes what pointsOf and renderLine say, point by point, and hashes the series alike', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(event, fc.nat(999_999), fc.nat(999_999)), { minLength: 1, maxLength: 8 }),
        schema,
        (events, of) => {
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
            for (const { role } of points) writer.begin(blocks[role], role, each);
            for (const point of points) {
              const { role } = point;
              // Nearly always an event's points have one offset.
              const offsetNs = role === 'share' ? other : own;
              const { half0, half1 } = writer.seriesMs(role);
              expect(`${role} ${hexOf([half0, half1])}`).toBe(groupOfPoint(point));
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
