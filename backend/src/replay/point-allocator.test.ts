import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InteractionEvent } from '../event/event.ts';
import type { Schema } from '../schema/buckets.ts';
import { baseOffset, identityOf } from '../schema/identity.ts';
import { pointsOf, renderLine } from '../schema/points.ts';
import { OffsetTable, type Relocation } from '../schema/offsets.ts';
import { PointAllocator } from './point-allocator.ts';

const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 1 },
  sharePrefix: { by: 'first', length: 6 },
};

/** Event ids in clusters: those whose own places are the same or neighbours. All others would never meet. */
const CROWDED: readonly string[] = (() => {
  const ids = Array.from({ length: 40_000 }, (_, n) => `c${n}`).sort((a, b) => baseOffset(a) - baseOffset(b));
  const near = (n: number): boolean => baseOffset(ids[n + 1] ?? '') - baseOffset(ids[n] ?? '') <= 1;
  return ids.filter((_, n) => (n < ids.length - 1 && near(n)) || (n > 0 && near(n - 1))).slice(0, 400);
})();

const MS = 1_341_392_702_000;
const event = (n: number): InteractionEvent => ({
  eventId: CROWDED[n] ?? '',
  type: 'like',
  occurredAtMs: MS,
  // One series in every bucket; the id tells whose point a place holds.
  actorId: `1${n}`,
  receiverId: n % 3 === 0 ? undefined : `2${n}`,
  shareId: n % 2 === 0 ? `ababab${String(n).padStart(18, '0')}` : undefined,
});

/** InfluxDB: of each field, what was written last under a series and time is what is there. (On a real one: tests/integration/replay.test.ts) */
class Stored {
  readonly #points = new Map<string, Map<string, string>>();
  write(role: string, line: string): void {
    const [series = '', fields = '', time = ''] = line.split(' ');
    const point = this.#points.get(`${role} ${series} ${time}`) ?? new Map<string, string>();
    this.#points.set(`${role} ${series} ${time}`, point);
    for (const field of fields.split(',')) {
      const [name = '', value = ''] = field.split('=');
      point.set(name, value);
    }
  }
  /** Without the places: which events' points are there, how often. */
  get contents(): string[] {
    const text = (fields: ReadonlyMap<string, string>) => [...fields].map((field) => field.join('=')).join(',');
    return [...this.#points].map(([key, fields]) => `${key.split(' ', 2).join(' ')} ${text(fields)}`).sort();
  }
  get places(): string[] {
    return [...this.#points.keys()].sort();
  }
}

/** As ingest does it, in the order of arrival. @returns the relocations its checkpoint holds */
function ingest(stored: Stored, events: readonly InteractionEvent[]): Relocation[] {
  const offsets = new OffsetTable({ capacity: 2 ** 14 });
  const relocations: Relocation[] = [];
  for (const each of events) {
    for (const point of pointsOf(each, schema)) {
      const { offsetNs, relocation } = offsets.assign(point, identityOf(each));
      if (relocation !== undefined) relocations.push(relocation);
      stored.write(point.role, renderLine(point, offsetNs));
    }
  }
  return relocations;
}

function replayed(stored: Stored, events: readonly InteractionEvent[], relocations: readonly Relocation[]): void {
  const places = new PointAllocator(schema, relocations);
  for (const each of events) {
    for (const { role, line } of places.allocate(each) ?? []) stored.write(role, line);
  }
}

const orders = fc
  .uniqueArray(fc.nat(CROWDED.length - 1), { minLength: 1, maxLength: 120, size: 'max' })
  .chain((ns) =>
    fc.tuple(
      fc.constant(ns),
      fc.shuffledSubarray(ns, { minLength: ns.length }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
    ),
  );

describe('PointAllocator', () => {
  it('knows enough crowded places to be worth the name', () => {
    expect(CROWDED).toHaveLength(400);
    const stored = new Stored();
    expect(
      ingest(
        stored,
        CROWDED.map((_, n) => event(n)),
      ).length,
    ).toBeGreaterThan(100);
  });

  it('leaves live buckets as they are, whatever the order of the archive and however many relocations are forgotten', () => {
    fc.assert(
      fc.property(orders, ([arrival, archive, keep]) => {
        const stored = new Stored();
        const relocations = ingest(stored, arrival.map(event));
        const { contents, places } = stored;
        const known = relocations.filter((_, n) => keep[n % keep.length]);
        replayed(stored, [...archive, ...archive.slice(0, 5)].map(event), known);
        expect(stored.contents).toEqual(contents);
        expect(stored.places).toEqual(places);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves live buckets as they are where part of the events is not archived yet, because the checkpoint knows all recent relocations', () => {
    fc.assert(
      fc.property(orders, fc.nat(120), ([arrival, archive], skip) => {
        const stored = new Stored();
        const relocations = ingest(stored, arrival.map(event));
        const { contents } = stored;
        replayed(stored, archive.slice(skip).map(event), relocations);
        expect(stored.contents).toEqual(contents);
      }),
      { numRuns: 200 },
    );
  });

  it('gives each event its points in empty buckets', () => {
    fc.assert(
      fc.property(orders, ([, archive]) => {
        const stored = new Stored();
        replayed(stored, archive.map(event), []);
        const lines = archive
          .map(event)
          .flatMap((each) => pointsOf(each, schema))
          .map((p) => `${p.role} ${p.series} ${p.fields}`);
        expect(stored.contents).toEqual(lines.sort());
      }),
      { numRuns: 100 },
    );
  });

  it('forgets what it has placed when another slice begins, but not the relocations', () => {
    const stored = new Stored();
    const relocations = ingest(
      stored,
      CROWDED.map((_, n) => event(n)),
    );
    const { places: before } = stored;
    const places = new PointAllocator(schema, relocations);
    for (let slice = 0; slice < 2; slice++) {
      places.begin();
      for (let n = 0; n < CROWDED.length; n++) {
        const points = places.allocate(event(n));
        expect(points).toBeDefined();
        for (const { role, line } of points ?? []) stored.write(role, line);
      }
    }
    expect(stored.places).toEqual(before);
    expect(places.allocate(event(0))).toBeUndefined();
  });
});
