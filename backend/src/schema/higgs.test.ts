import { beforeAll, describe, expect, it } from 'vitest';
import { findHiggsFile, readHiggsLines } from '../../../tools/higgs.ts';
import type { InteractionEvent } from '../event/event.ts';
import { higgsEvent } from '../produce/higgs-event.ts';
import { prefixOf, type BucketRole, type Schema } from './buckets.ts';
import { identityOf, OFFSETS } from './identity.ts';
import { pointsOf } from './points.ts';
import { OffsetTable } from './offsets.ts';

/** Real input, where it is at hand. */
const file = findHiggsFile();
const real = file !== undefined;

const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

/** Where the real file is absent: as many seconds and bursts in proportion, a few users who receive most. */
function generatedLines(): string[] {
  const lines = new Set<string>();
  let state = 1;
  const random = (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * n);
  };
  while (lines.size < 60_000) {
    const receiver = 1 + Math.floor(random(300_000) ** 2 / 300_000);
    lines.add(`${1 + random(300_000)} ${receiver} ${1_341_100_972 + random(60_000)} ${['RT', 'MT', 'RE'][random(3)]}`);
  }
  return [...lines];
}

describe(
  real ? 'the Higgs file' : 'generated data in place of the Higgs file, which is not here',
  () => {
    let events: InteractionEvent[];
    beforeAll(() => {
      const lines = real ? readHiggsLines(file) : generatedLines();
      events = lines.map((line) => {
        const event = higgsEvent(line);
        if (event === undefined) throw new Error(`Not a line of the Higgs file: ${line}`);
        return event;
      });
      if (real) expect(events).toHaveLength(563_069);
    }, 120_000);

    /** Points that another one overwrites when type, first four digits and second are all that tells them apart. */
    const lostByPlainScheme = (idOf: (event: InteractionEvent) => string | undefined): number => {
      const kept = new Set<string>();
      for (const event of events) {
        kept.add(`${event.type} ${prefixOf(idOf(event) ?? '', schema.userPrefix)} ${event.occurredAtMs}`);
      }
      return events.length - kept.size;
    };

    it('loses points where type, prefix and second are all that tells them apart', () => {
      const received = lostByPlainScheme((event) => event.receiverId);
      const made = lostByPlainScheme((event) => event.actorId);
      if (real) expect({ received, made }).toEqual({ received: 15_903, made: 21_456 });
      else expect(Math.min(received, made)).toBeGreaterThan(0);
    });

    it('loses none of its points with ours', () => {
      const offsets = new OffsetTable({ capacity: 1 << 20 });
      const identities = events.map(identityOf);
      const expected = { made: 0, received: 0, share: 0, total: 0 };
      // By series the nanoseconds since the first event: a number, and much lighter than the two million lines.
      const kept: Record<BucketRole, Map<string, Set<number>>> = {
        made: new Map(),
        received: new Map(),
        share: new Map(),
        total: new Map(),
      };
      const firstMs = events.reduce((first, event) => Math.min(first, event.occurredAtMs), Infinity);
      events.forEach((event, n) => {
        for (const point of pointsOf(event, schema)) {
          const { offsetNs } = offsets.assign(point, identities[n]!);
          expected[point.role]++;
          let series = kept[point.role].get(point.series);
          if (series === undefined) kept[point.role].set(point.series, (series = new Set()));
          series.add((point.ms - firstMs) * OFFSETS + offsetNs);
        }
      });
      const sizes = Object.fromEntries(
        Object.entries(kept).map(([role, all]) => [
          role,
          [...all.values()].reduce((sum, places) => sum + places.size, 0),
        ]),
      );
      expect(sizes).toEqual(expected);
      if (real) expect(expected).toMatchObject({ made: 563_069, received: 563_069, total: 563_069 });
    });
  },
  60_000,
);
