import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InteractionEvent } from '../event/event.ts';
import type { Schema } from './buckets.ts';
import { EventIds } from './event-ids.ts';
import { identityOf, OFFSETS, type EventIdentity } from './identity.ts';
import { pointsOf, renderLine, type Point } from './points.ts';
import { OffsetTable, type Relocation } from './offsets.ts';

const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 1 },
  sharePrefix: { by: 'first', length: 6 },
};

const MS = 1_341_392_702_000;

const point: Point = { role: 'made', series: 'interaction,prefix=1,type=like', fields: 'user=1i', ms: MS };

const plain = { type: 'like', occurredAtMs: MS, actorId: '1', receiverId: '2', shareId: undefined };

/** An event's identity with its own offsetNs chosen, so that collisions are sure. */
const identity = (eventId: string, offsetNs: number): EventIdentity => ({
  ...identityOf({ ...plain, eventId }),
  offsetNs,
});

const table = (relocations: readonly Relocation[] = []): OffsetTable => {
  const offsets = new OffsetTable({ capacity: 1 << 14 });
  offsets.restore(relocations);
  return offsets;
};

describe('several tables', () => {
  // docs/operations.md, "Repair": what is lost is estimated from what each worker sees.
  it.each([2, 4])(
    'of %i workers that relocate nothing tell what is lost: what each sees, times the workers',
    (workers) => {
      const tables = Array.from({ length: workers }, () => new OffsetTable({ capacity: 2 ** 18 }));
      const places = new Set<number>();
      let seen = 0;
      const events = 60_000;
      for (let n = 0; n < events; n++) {
        const event = identityOf({ ...plain, eventId: `w${n}` });
        if (tables[n % workers]!.collides(point, event)) seen++;
        places.add(event.offsetNs);
      }
      const lost = events - places.size;
      expect(lost).toBeGreaterThan(1_500);
      expect(Math.abs(lost / (seen * workers) - 1)).toBeLessThan(0.25);
    },
  );
});

describe('OffsetTable', () => {
  it('gives an event its own offsetNs, again and again', () => {
    const offsets = table();
    const expected = { role: 'made', offsetNs: 7, collided: false, relocation: undefined };
    expect(offsets.assign(point, identity('a', 7))).toEqual(expected);
    expect(offsets.assign(point, identity('a', 7))).toEqual(expected);
  });

  it('relocations another event to the next free offsetNs, reports it once, and finds it there again', () => {
    const offsets = table();
    offsets.assign(point, identity('a', 7));
    offsets.assign(point, identity('b', 8));
    const { offsetNs, collided, relocation } = offsets.assign(point, identity('c', 7));
    expect([offsetNs, collided]).toEqual([9, true]);
    expect(relocation).toMatchObject({ role: 'made', offsetNs: 9 });
    expect(offsets.assign(point, identity('c', 7))).toEqual({
      role: 'made',
      offsetNs: 9,
      collided: false,
      relocation: undefined,
    });
    expect(offsets.relocations).toBe(1);
  });

  it('goes on at the beginning of the same millisecond after its last nanosecond', () => {
    const offsets = table();
    offsets.assign(point, identity('a', OFFSETS - 1));
    expect(offsets.assign(point, identity('b', OFFSETS - 1)).offsetNs).toBe(0);
  });

  it('keeps roles, series and milliseconds apart', () => {
    const offsets = table();
    offsets.assign(point, identity('a', 7));
    for (const other of [
      { ...point, role: 'received' as const },
      { ...point, series: 'interaction,prefix=2,type=like' },
      { ...point, ms: MS + 1 },
      { ...point, ms: MS + 2 ** 32 },
    ]) {
      expect(offsets.assign(other, identity('b', 7))).toMatchObject({ role: other.role, offsetNs: 7, collided: false });
    }
  });

  it('keeps a restored relocation at its offsetNs, and the offsetNs for it, whoever comes first', () => {
    const before = table();
    before.assign(point, identity('a', 7));
    const { relocation } = before.assign(point, identity('b', 7));
    const after = table([relocation!]);
    expect(after.assign(point, identity('new', 8)).offsetNs).toBe(9);
    expect(after.assign(point, identity('b', 7))).toEqual({
      role: 'made',
      offsetNs: 8,
      collided: false,
      relocation: undefined,
    });
    expect(after.assign(point, identity('a', 7)).offsetNs).toBe(7);
  });

  it('takes no notice of a relocation that was made in another series: the prefix scheme has changed since', () => {
    const before = table();
    before.assign(point, identity('a', 7));
    const { relocation } = before.assign(point, identity('b', 7));
    const after = table([relocation!]);
    const elsewhere = { ...point, series: 'interaction,prefix=23,type=like' };
    expect(after.assign(elsewhere, identity('b', 7)).offsetNs).toBe(7);
    expect(after.assign(elsewhere, identity('c', 8)).offsetNs).toBe(8);
  });

  it('restores what JSON made of a relocation', () => {
    const before = table();
    before.assign(point, identity('a', 7));
    const { relocation } = before.assign(point, identity('b', 7));
    const after = table(JSON.parse(JSON.stringify([relocation])) as Relocation[]);
    expect(after.assign(point, identity('b', 7)).offsetNs).toBe(8);
  });

  it.each([
    ['a short hash', { role: 'made', event: 'abc', offsetNs: 1 }],
    ['a offsetNs beyond the millisecond', { role: 'made', event: 'a'.repeat(48), offsetNs: 1_000_000 }],
    ['a fraction', { role: 'made', event: 'a'.repeat(48), offsetNs: 0.5 }],
  ] as const)('refuses to restore %s', (_what, relocation) => {
    expect(() => table([relocation])).toThrow(/relocated point that is none/);
  });

  it('forgets the oldest relocation, no other, when there are more than it may keep', () => {
    const offsets = new OffsetTable({ capacity: 1 << 14, maxRelocations: 2 });
    offsets.assign(point, identity('a', 7));
    for (const name of ['b', 'c', 'd']) offsets.assign(point, identity(name, 7));
    expect(offsets.relocations).toBe(2);
    // b's relocation is forgotten but its offset still remembered: it is found on the way, and its relocation is reported anew.
    expect(offsets.assign(point, identity('b', 7))).toMatchObject({ offsetNs: 8, relocation: { offsetNs: 8 } });
    expect(offsets.assign(point, identity('d', 7))).toEqual({
      role: 'made',
      offsetNs: 10,
      collided: false,
      relocation: undefined,
    });
  });

  it('stays the same size and correct for what is recent, however many points come', () => {
    const offsets = new OffsetTable({ capacity: 64 });
    for (let n = 0; n < 10_000; n++) offsets.assign({ ...point, ms: MS + n }, identity(`e${n}`, 7));
    offsets.assign(point, identity('x', 3));
    expect(offsets.assign(point, identity('y', 3)).offsetNs).toBe(4);
  });
});

describe('points through any order, repeats, crash and redo', () => {
  /** Few users, types and milliseconds and five offsets at both ends of a millisecond: nearly everything collides. */
  const OWN_SLOTS = [0, 1, 2, OFFSETS - 2, OFFSETS - 1] as const;
  const distinct = fc.uniqueArray(fc.nat(400), { minLength: 1, maxLength: 40 }).map((seeds) =>
    seeds.map((n): { event: InteractionEvent; identity: EventIdentity } => {
      const event: InteractionEvent = {
        eventId: `e${n}`,
        type: n % 3 === 0 ? 'like' : 'reply',
        occurredAtMs: MS + (n % 2),
        actorId: String(10 + (n % 4)),
        receiverId: n % 5 === 0 ? undefined : String(10 + (n % 7)),
        shareId: n % 5 === 0 || n % 4 === 0 ? '4ff3e1c0aaaaaaaaaaaaaaaa' : undefined,
      };
      return { event, identity: { ...identityOf(event), offsetNs: OWN_SLOTS[n % OWN_SLOTS.length]! } };
    }),
  );

  /** A run reads some shards in some order, each from its checkpoint, and is ended somewhere. */
  const run = fc.record({
    /** Which shard is read next, modulo those with records left. */
    order: fc.array(fc.nat(2), { minLength: 200, maxLength: 200 }),
    /** How many records are read until the crash. */
    reads: fc.nat(120),
    /** How many of the last points were not sent yet: assigned, the relocations durable, the points not in InfluxDB. */
    unsent: fc.nat(30),
    /** Share of each shard's durable records that the checkpoint had reached. */
    checkpoint: fc.double({ min: 0, max: 1, noNaN: true }),
  });

  it('give exactly one point per event and bucket', () => {
    fc.assert(
      fc.property(
        distinct,
        fc.array(fc.tuple(fc.nat(1_000), fc.nat(2)), { minLength: 1, maxLength: 80 }),
        fc.array(run, { maxLength: 4 }),
        (events, sends, crashes) => {
          // Every event at least once, then some again, on any shard.
          const shards: { event: InteractionEvent; identity: EventIdentity }[][] = [[], [], []];
          events.forEach((event, n) => shards[n % 3]!.push(event));
          for (const [n, shard] of sends) shards[shard]!.push(events[n % events.length]!);

          const influx = new Map<string, string>();
          const relocations: Relocation[] = [];
          const checkpoint = [0, 0, 0];
          for (const current of [...crashes, undefined]) {
            const offsets = table(relocations);
            const pending: [string, string][] = [];
            const write = ({ event, identity: id }: { event: InteractionEvent; identity: EventIdentity }): void => {
              for (const p of pointsOf(event, schema)) {
                const { offsetNs, relocation } = offsets.assign(p, id);
                if (relocation !== undefined) relocations.push(relocation);
                const line = renderLine(p, offsetNs).split(' ');
                pending.push([`${p.role} ${line[0]} ${line[2]}`, `${event.eventId} ${line[1]}`]);
              }
            };
            // What lies behind the checkpoints is read again first.
            shards.forEach((shard, s) => shard.slice(0, checkpoint[s]).forEach(write));
            const next = [...checkpoint];
            const reads = current?.reads ?? Infinity;
            for (let n = 0; n < reads; n++) {
              const open = [0, 1, 2].filter((s) => next[s]! < shards[s]!.length);
              if (open.length === 0) break;
              const s = open[(current?.order[n] ?? n) % open.length]!;
              write(shards[s]![next[s]!]!);
              next[s]!++;
            }
            const sent = current === undefined || current.unsent === 0 ? pending : pending.slice(0, -current.unsent);
            for (const [place, value] of sent) influx.set(place, value);
            // A checkpoint covers only what has been sent: with anything unsent it stays.
            if (current?.unsent === 0) {
              checkpoint.forEach(
                (from, s) => (checkpoint[s] = from + Math.floor((next[s]! - from) * current.checkpoint)),
              );
            }
          }

          const stored = new Map<string, string[]>();
          for (const [place, value] of influx) {
            const role = place.split(' ')[0]!;
            stored.set(role, [...(stored.get(role) ?? []), value.split(' ')[0]!]);
          }
          for (const role of ['made', 'received', 'share', 'total'] as const) {
            const expected = events
              .filter(({ event }) => pointsOf(event, schema).some((p) => p.role === role))
              .map(({ event }) => event.eventId)
              .sort();
            expect((stored.get(role) ?? []).sort()).toEqual(expected);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('EventIds', () => {
  it('notices an id that is used for two different events, and no repeat', () => {
    const ids = new EventIds(1_024);
    const event = { eventId: 'e', type: 'like', occurredAtMs: MS, actorId: '1', receiverId: '2', shareId: undefined };
    expect(ids.reused(identityOf(event))).toBe(false);
    expect(ids.reused(identityOf({ ...event }))).toBe(false);
    expect(ids.reused(identityOf({ ...event, type: 'reply' }))).toBe(true);
    expect(ids.reused(identityOf({ ...event, eventId: 'f', type: 'reply' }))).toBe(false);
  });
});
