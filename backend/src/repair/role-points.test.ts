import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelInflux, ModelPoints } from '../../../tests/support/models/sinks.ts';
import type { InteractionEvent } from '../event/event.ts';
import { BUCKET_ROLES, type BucketRole, type Schema } from '../schema/buckets.ts';
import { baseOffset, identityOf } from '../schema/identity.ts';
import { OffsetTable } from '../schema/offsets.ts';
import { pointsOf, renderLine } from '../schema/points.ts';
import { MAX_FOREIGN } from './group.ts';
import { RolePoints, type Change } from './role-points.ts';

const MS = 1_341_392_702_000;
const whole: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 1 },
  sharePrefix: { by: 'first', length: 6 },
};
const split: Schema = { ...whole, totalsSplitFromMs: 0 };
const go = new AbortController().signal;

/** Event ids in clusters: those that want the same offset or neighbours, at the end of the millisecond and its beginning too. */
const CROWDED: readonly string[] = (() => {
  const ids = Array.from({ length: 40_000 }, (_, n) => `c${n}`).sort((a, b) => baseOffset(a) - baseOffset(b));
  const near = (n: number): boolean => baseOffset(ids[n + 1] ?? '') - baseOffset(ids[n] ?? '') <= 1;
  const crowded = ids.filter((_, n) => (n < ids.length - 1 && near(n)) || (n > 0 && near(n - 1))).slice(0, 100);
  const edge: string[] = [];
  for (let n = 0; edge.length < 12; n++) {
    const offsetNs = baseOffset(`edge${n}`);
    if (offsetNs < 2 || offsetNs > 999_997) edge.push(`edge${n}`);
  }
  return [...edge, ...crowded];
})();

/** All of one series in each bucket. Some have the same ids, so that their points are alike. */
const event = (n: number): InteractionEvent => ({
  eventId: CROWDED[n] ?? '',
  type: 'like',
  occurredAtMs: MS,
  actorId: `1${n % 5 === 0 ? 0 : n}`,
  receiverId: n % 3 === 0 ? undefined : `2${n}`,
  shareId: n % 2 === 0 ? `ababab${String(n % 4).padStart(18, '0')}` : undefined,
});

/** An ingest with a table of its own, which sees events in this order; one of several relocates nothing. */
class Worker {
  readonly #relocates: boolean;
  readonly #offsets = new OffsetTable({ capacity: 2 ** 12 });
  readonly #influx: ModelInflux;
  readonly #schema: Schema;
  constructor(influx: ModelInflux, schema: Schema, relocates = true) {
    this.#relocates = relocates;
    this.#influx = influx;
    this.#schema = schema;
  }
  write(each: InteractionEvent): void {
    const identity = identityOf(each);
    for (const point of pointsOf(each, this.#schema)) {
      const { offsetNs } = this.#relocates ? this.#offsets.assign(point, identity) : identity;
      this.#influx.apply(point.role, renderLine(point, offsetNs));
    }
  }
}

async function changesOf(influx: ModelInflux, archived: readonly InteractionEvent[], schema: Schema) {
  const events = archived.map((each) => ({ event: each, ...identityOf(each) }));
  const all: { readonly role: BucketRole; readonly change: Change }[] = [];
  let foreign = 0;
  for (const role of BUCKET_ROLES) {
    const points = new RolePoints(role, events, schema);
    await new ModelPoints(influx).read(role, { fromMs: MS, toMs: MS + 1 }, () => (field) => points.add(field), go);
    for (const change of points.changes()) all.push({ role, change });
    foreign += points.foreign;
  }
  return { all, foreign };
}

async function apply(influx: ModelInflux, role: BucketRole, change: Change): Promise<void> {
  if (change.kind === 'write') influx.apply(role, change.line);
  else await new ModelPoints(influx).remove(role, change.place, go);
}

async function repaired(influx: ModelInflux, archived: readonly InteractionEvent[], schema: Schema): Promise<number> {
  const { all } = await changesOf(influx, archived, schema);
  for (const { role, change } of all) await apply(influx, role, change);
  return all.length;
}

/** Per bucket, what each point says without its place, and the places. */
const contentsOf = (influx: ModelInflux) =>
  BUCKET_ROLES.map((role) => {
    const points = [...(influx.points.get(role) ?? [])];
    const said = points.map(([key, fields]) => `${key.split(' ')[0]} ${[...fields].map((f) => f.join('=')).join()}`);
    return { said: said.sort(), places: points.map(([key]) => key).sort() };
  });

/** What one worker that has seen all events has written. */
function one(events: readonly InteractionEvent[], schema: Schema): ModelInflux {
  const influx = new ModelInflux();
  const worker = new Worker(influx, schema);
  for (const each of events) worker.write(each);
  return influx;
}

const some = fc.uniqueArray(fc.nat(CROWDED.length - 1), { minLength: 1, maxLength: 80, size: 'max' });
const inAnyOrder = some.chain((ns) => fc.tuple(fc.constant(ns), fc.shuffledSubarray(ns, { minLength: ns.length })));
const schemas = fc.constantFrom(whole, split);
/** Who writes which event, in order; some events are written by two workers, as when a shard changes hands. */
const writes = inAnyOrder.chain(([ns, order]) =>
  fc.tuple(
    fc.constant(ns),
    fc.array(fc.tuple(fc.nat(ns.length - 1), fc.nat(2)), { maxLength: 20 }),
    fc.array(fc.nat(2), { minLength: order.length, maxLength: order.length }),
    fc.constant(order),
  ),
);

function byWorkers(
  influx: ModelInflux,
  schema: Schema,
  order: readonly number[],
  workers: readonly number[],
  again: readonly (readonly [number, number])[],
): void {
  // Two of several workers, and the one ingest that was there before them.
  const all = [0, 1, 2].map((worker) => new Worker(influx, schema, worker === 0));
  order.forEach((n, at) => all[workers[at] ?? 0]!.write(event(n)));
  for (const [at, worker] of again) all[worker]!.write(event(order[at] ?? 0));
}

describe('a repair', () => {
  it('is tried on events that really contend', async () => {
    const all = CROWDED.map((_, n) => event(n));
    const influx = new ModelInflux();
    byWorkers(
      influx,
      whole,
      all.map((_, n) => n),
      all.map((_, n) => n % 3),
      [],
    );
    const { all: changes } = await changesOf(influx, all, whole);
    expect(changes.filter(({ change }) => change.kind === 'write' && change.replaces).length).toBeGreaterThan(10);
    expect(changes.filter(({ change }) => change.kind === 'write' && !change.replaces).length).toBeGreaterThan(40);
    // Split, totals contend much less.
    const inParts = new ModelInflux();
    byWorkers(
      inParts,
      split,
      all.map((_, n) => n),
      all.map((_, n) => n % 3),
      [],
    );
    const ofTotals = ({ role }: { role: BucketRole }) => role === 'total';
    const { all: fewer } = await changesOf(inParts, all, split);
    expect(fewer.filter(ofTotals).length).toBeLessThan(changes.filter(ofTotals).length / 10);
  });

  it('leaves what one worker would have written, whoever wrote what in which order, and then nothing to do', async () => {
    await fc.assert(
      fc.asyncProperty(writes, schemas, async ([ns, again, workers, order], schema) => {
        const influx = new ModelInflux();
        byWorkers(influx, schema, order, workers, again);
        const archived = [...ns].reverse().map(event);
        await repaired(influx, archived, schema);
        expect(contentsOf(influx)).toEqual(contentsOf(one(ns.map(event), schema)));
        expect(await repaired(influx, ns.map(event), schema)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('changes nothing that one worker has written, in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(inAnyOrder, schemas, async ([ns, order], schema) => {
        const influx = one(order.map(event), schema);
        expect(await repaired(influx, ns.map(event), schema)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it('gives contending events their offsets whatever the order of the archive', async () => {
    await fc.assert(
      fc.asyncProperty(inAnyOrder, async ([ns, order]) => {
        const lines = async (archived: readonly number[]) => {
          const { all } = await changesOf(new ModelInflux(), archived.map(event), whole);
          return all.map(({ role, change }) => `${role} ${change.kind === 'write' ? change.line : ''}`).sort();
        };
        expect(await lines(order)).toEqual(await lines(ns));
      }),
      { numRuns: 50 },
    );
  });

  it('brings back what is missing, and can be cut short anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(writes, schemas, fc.infiniteStream(fc.boolean()), async (written, schema, done) => {
        const [ns, again, workers, order] = written;
        const influx = new ModelInflux();
        byWorkers(influx, schema, order, workers, again);
        for (const points of influx.points.values()) {
          for (const key of [...points.keys()]) if (done.next().value === true) points.delete(key);
        }
        for (let attempt = 0; attempt < 3; attempt++) {
          const { all } = await changesOf(influx, order.map(event), schema);
          for (const { role, change } of all) if (done.next().value === true) await apply(influx, role, change);
        }
        await repaired(influx, order.map(event), schema);
        expect(contentsOf(influx)).toEqual(contentsOf(one(ns.map(event), schema)));
        expect(await repaired(influx, ns.map(event), schema)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves the points of events that are not archived where they are, and is exact once they are', async () => {
    await fc.assert(
      fc.asyncProperty(writes, schemas, fc.nat(10), async ([ns, again, workers, order], schema, unarchived) => {
        const influx = new ModelInflux();
        byWorkers(influx, schema, order, workers, again);
        // Ids of their own: a point that says the same as that of an archived event may be taken for one.
        const late = ns.slice(0, unarchived).map((n): InteractionEvent => ({ ...event(n), actorId: `19999${n}` }));
        const worker = new Worker(influx, schema);
        const before = (each: InteractionEvent) =>
          [...influx.points.get('made')!].filter(([, f]) => f.get('user') === `${each.actorId}i`);
        for (const each of late) worker.write(each);
        const places = late.flatMap(before).map(([key]) => key);
        const archived = ns.slice(unarchived).map(event);
        await repaired(influx, archived, schema);
        expect(late.flatMap(before).map(([key]) => key)).toEqual(places);
        // Every archived event is there beside them.
        const users = [...influx.points.get('made')!.values()].map((fields) => fields.get('user'));
        for (const { actorId } of archived) {
          const at = users.indexOf(`${actorId}i`);
          expect(at).not.toBe(-1);
          users.splice(at, 1);
        }
        expect(await repaired(influx, archived, schema)).toBe(0);
        const all = [...ns.map(event), ...late];
        await repaired(influx, all, schema);
        expect(contentsOf(influx)).toEqual(contentsOf(one(all, schema)));
      }),
      { numRuns: 200 },
    );
  });

  it('completes totals of version 0.1 only where an id is missing that the event has', async () => {
    const both: InteractionEvent = { ...event(1), receiverId: '21', shareId: undefined };
    const influx = one([both], whole);
    for (const fields of influx.points.get('total')!.values()) fields.delete('share');
    expect(await repaired(influx, [both], whole)).toBe(0);
    for (const fields of influx.points.get('total')!.values()) fields.delete('received');
    expect(await repaired(influx, [both], whole)).toBe(1);
    expect(contentsOf(influx)[3]!.said).toEqual(['interaction,type=like made=11i,received=21i,share="-"']);
  });

  it('adds the counterpart to points that were written without, where they are', async () => {
    const archived = [event(1), event(2)];
    const influx = one(archived, whole);
    const wanted = contentsOf(influx);
    for (const role of ['made', 'received', 'share'] as const)
      for (const fields of influx.points.get(role)?.values() ?? []) fields.delete('pair');
    expect(contentsOf(influx)).not.toEqual(wanted);
    // Two made, two received, one on a share.
    expect(await repaired(influx, archived, whole)).toBe(5);
    expect(contentsOf(influx)).toEqual(wanted);
    expect(await repaired(influx, archived, whole)).toBe(0);
  });

  it('stops where the archive cannot be that of the buckets', async () => {
    const influx = one([event(0)], whole);
    for (let n = 0; n <= MAX_FOREIGN; n++)
      influx.apply('made', `interaction,prefix=1,type=like user=1999${n}i ${MS}${String(500_000 + n)}`);
    await expect(repaired(influx, [event(0)], whole)).rejects.toMatchObject({ code: 'archive_damaged' });
  });
});
