import { setTimeout as realTime } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ModelCheckpoints } from '../../../tests/support/models/checkpoints.ts';
import { simulate, type CrashPoint, type Run } from '../../../tests/support/models/process.ts';
import { ModelArchive, ModelInflux } from '../../../tests/support/models/sinks.ts';
import { ModelStream, type ModelShard } from '../../../tests/support/models/stream.ts';
import { ModelSubscriptions } from '../../../tests/support/models/subscriptions.ts';
import { bytesOf, NO_DIFFERENCE, Oracle, ROLES, type TestEvent } from '../../../tests/support/oracle.ts';
import { seeded } from '../../../tests/support/seeded.ts';
import { VirtualClock } from '../../../tests/support/virtual-clock.ts';
import { UserpulseError } from '../errors.ts';
import { aggregate } from '../event/kpl.ts';
import { fanout } from '../kinesis/fanout-feed.ts';
import { polling } from '../kinesis/polling-feed.ts';
import type { OpenFeed } from '../kinesis/shard-feed.ts';
import type { StreamSource } from '../kinesis/stream-source.ts';
import type { BucketRole } from '../schema/buckets.ts';
import { baseOffset } from '../schema/identity.ts';
import type { IngestSettings } from './ingest.ts';

/** Event ids in groups that want one place: with equal type, id and millisecond they would overwrite each other. */
const COLLIDING: readonly string[] = (() => {
  const byOffset = new Map<number, string[]>();
  for (let n = 0; n < 20_000; n++) {
    const id = `c${n}`;
    const offsetNs = baseOffset(id);
    byOffset.set(offsetNs, [...(byOffset.get(offsetNs) ?? []), id]);
  }
  return [...byOffset.values()].filter((ids) => ids.length > 1).flat();
})();

/** The user whose points in `received` the model refuses for good. */
const REFUSED_USER = '666000';
const refuses = (role: BucketRole, line: string): boolean =>
  role === 'received' && line.includes(`user=${REFUSED_USER}i`);

const POISON = [
  '',
  'no json',
  '{"eventId":"x"}',
  '\xff\xfe',
  '{"eventId":"a","type":"LIKE"}',
  '\xf3\x89\x9a\xc2broken frame',
];

class World {
  readonly clock = new VirtualClock();
  readonly influx = new ModelInflux();
  readonly archive = new ModelArchive();
  readonly checkpoints = new ModelCheckpoints();
  readonly oracle = new Oracle();
  readonly stream: ModelStream;
  readonly random: () => number;
  /** Chance that an event falls on the place of another one. */
  collisions = 0.2;
  /** How the stream is read; absent: by polling. */
  fanout: ((source: StreamSource) => OpenFeed) | undefined;
  /** Objects that were written before the checkpoint knew of their range. */
  readonly unrecorded: string[] = [];
  readonly #put: TestEvent[] = [];
  #serial = 0;
  #colliding = 0;

  constructor(seed: number, shards: number) {
    this.random = seeded(seed);
    this.stream = new ModelStream(this.clock, shards);
    this.influx.refuses = refuses;
    this.oracle.refuses = (role, event) => role === 'received' && event.receiverId === REFUSED_USER;
    this.archive.onPut = (key) => {
      const [, shardId = '', range = ''] = /(shardId-\d+)-(\d+-\d+)\./.exec(key) ?? [];
      const pending = this.checkpoints.shards.get(shardId)?.pending;
      if (range !== `${pending?.first ?? ''}-${pending?.last ?? ''}`) this.unrecorded.push(key);
    };
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!;
  }

  /** Neighbours fall on one place in every bucket, and are told apart by the ids that they count for. */
  colliding(n: number): TestEvent {
    return {
      eventId: COLLIDING[n % COLLIDING.length]!,
      type: 'like',
      occurredAt: 1_341_100_972_000,
      actorId: `1234${n % COLLIDING.length}`,
      receiverId: `5678${n % COLLIDING.length}`,
      shareId: `ababab${String(n % COLLIDING.length).padStart(18, '0')}`,
    };
  }

  event(): TestEvent {
    if (this.random() < this.collisions) {
      // Neighbours of COLLIDING fall on one place in every bucket.
      return this.colliding(this.#colliding++);
    }
    const n = this.#serial++;
    return {
      eventId: `e${n}`,
      type: this.pick(['like', 'reply']),
      occurredAt: 1_341_100_972_000 + Math.floor(this.random() * 4) * 86_400_000 + (n % 3),
      actorId: String(1_000_000 + Math.floor(this.random() * 20)),
      receiverId: this.random() < 0.03 ? REFUSED_USER : String(2_000_000 + Math.floor(this.random() * 20)),
      ...(this.random() < 0.3 ? { shareId: 'cd'.repeat(12) } : {}),
    };
  }

  put(): void {
    const shard = this.pick(this.stream.open);
    const kind = this.random();
    if (kind < 0.08) {
      this.putPoison(Buffer.from(this.pick(POISON), 'latin1'), shard);
      return;
    }
    const count = kind < 0.5 ? 1 : 1 + Math.floor(this.random() * 12);
    const events = Array.from({ length: count }, () =>
      this.random() < 0.1 && this.#put.length > 0 ? this.pick(this.#put) : this.event(),
    );
    this.putRecord(events, shard);
  }

  /** One record: plain for one event, KPL-aggregated for several. */
  putRecord(events: readonly TestEvent[], shard = this.pick(this.stream.open)): void {
    for (const event of events) {
      this.oracle.event(event);
      this.#put.push(event);
    }
    const parts = events.map((event) => ({ data: bytesOf(event), partitionKey: event.actorId }));
    const [only] = parts;
    this.stream.put(shard, parts.length === 1 && only !== undefined ? only.data : aggregate(parts).data);
  }

  putPoison(data: Buffer, shard = this.pick(this.stream.open)): void {
    this.oracle.poison(data);
    this.stream.put(shard, data);
  }

  reshard(): void {
    const { open } = this.stream;
    const [a, b] = [this.pick(open), this.pick(open)];
    if (a !== b && this.random() < 0.5) this.stream.merge(a, b);
    else if (open.length < 6) this.stream.split(a);
  }

  start(options: { readonly crash?: CrashPoint; readonly settings?: Partial<IngestSettings> } = {}): Run {
    return simulate({
      ...(this.fanout === undefined ? {} : { feed: this.fanout }),
      clock: this.clock,
      source: this.stream.source({
        random: this.random,
        throttled: 0.03,
        expired: 0.01,
        emptyPage: 0.1,
        pageRecords: 7,
        onRead: (shardId) => this.#checkParents(shardId),
      }),
      sink: this.influx,
      archive: this.archive,
      checkpoints: this.checkpoints.store(),
      // Slow checkpoints: what does not wait for them is found out.
      latencyMs: (name) => this.random() * (name === 'saveShard' ? 400 : 40),
      ...options,
    });
  }

  /** @param tellsChildren see SubscriptionFaults */
  readByFanout(tellsChildren: boolean): void {
    const { random } = this;
    const subscriptions = new ModelSubscriptions(this.stream, {
      random,
      inUse: 0.1,
      broken: 0.03,
      silent: 0.01,
      // Longer than a run lasts; for ever in every third case.
      keptMs: () => this.pick([0, 30_000, Infinity]),
      ended: 0.03,
      tellsChildren,
    });
    this.fanout = (source) => fanout({ subscriptions, polling: polling(source, 250), random });
  }

  #checkParents(shardId: string): void {
    const shard = this.stream.shards.find((s) => s.shardId === shardId)!;
    for (const parent of shard.parents) {
      expect(this.checkpoints.shards.get(parent)?.done, `${parent} is durable before ${shardId} is read`).toBe(true);
    }
  }

  sleep(ms: number): Promise<void> {
    return this.clock.sleep(ms, new AbortController().signal);
  }

  /** In real time, because compression takes real time while virtual time flies. */
  async until(condition: () => boolean, run: Run, stepMs = 500): Promise<void> {
    for (const deadline = Date.now() + 30_000; !condition();) {
      if (Date.now() > deadline)
        throw new Error(`It stays incomplete: ${JSON.stringify(run.ingest.status(), null, 1)}`);
      await this.sleep(stepMs);
      await realTime(1);
    }
  }

  async untilArchived(run: Run): Promise<void> {
    const expected = this.oracle.sent;
    await this.until(
      () => this.archive.lines('archive').length + this.archive.lines('rejected').length >= expected,
      run,
    );
  }

  async expectExact(): Promise<void> {
    expect(this.unrecorded, 'objects whose range no checkpoint held').toEqual([]);
    for (const role of ROLES)
      expect(await this.oracle.comparePoints(role, this.influx.fields(role)), role).toEqual(NO_DIFFERENCE);
    expect(await this.oracle.compareLines(this.archive.lines('archive'))).toEqual(NO_DIFFERENCE);
    const letters = this.archive.lines('rejected').map((line) => (JSON.parse(line) as { data: string }).data);
    expect(await this.oracle.compareLetters(letters)).toEqual(NO_DIFFERENCE);
  }
}

describe('ingest, killed at any of its writes', () => {
  // A failure names its seed; SIMULATION_SEEDS=1000 looks further than every run can afford to.
  const seeds = Array.from({ length: Number(process.env['SIMULATION_SEEDS'] ?? 25) }, (_, n) => n + 1);
  it.each(seeds.flatMap((seed) => (['polling', 'fanout'] as const).map((read) => ({ seed, read }))))(
    'loses nothing and counts nothing twice through crashes, faults and resharding (seed $seed, $read)',
    async ({ seed, read }) => {
      const world = new World(seed, 1 + (seed % 3));
      if (read === 'fanout') world.readByFanout(seed % 2 === 0);
      for (let round = 0; round < 8; round++) {
        const crash: CrashPoint = {
          write: 1 + Math.floor(world.random() * 30),
          when: world.pick(['before', 'after', 'half']),
        };
        const run = world.start({ crash });
        for (let n = 0; n < 6; n++) {
          for (let k = world.random() * 12; k > 0; k--) world.put();
          if (world.random() < 0.15) world.reshard();
          await Promise.race([world.sleep(world.random() * 2_500), run.killed]);
        }
        if (world.random() < 0.3) await Promise.race([run.stop(), run.killed]);
        run.kill();
      }
      const last = world.start();
      await world.untilArchived(last);
      await last.stop();
      await world.expectExact();
    },
    60_000,
  );
});

describe('ingest on models', { timeout: 60_000 }, () => {
  it('stops reading when the sinks are down and memory is full, and goes on when they are back', async () => {
    const world = new World(7, 4);
    let open: () => void = () => undefined;
    let down = new Promise<void>((resolve) => (open = resolve));
    world.influx.gate = () => down;
    world.archive.gate = () => down;
    const big = 'x'.repeat(20_000);
    for (let n = 0; n < 400; n++) {
      const event = { ...world.event(), note: big };
      world.putRecord([event]);
    }
    const run = world.start({ settings: { archiveMaxBytes: 1_048_576 } });
    await world.sleep(60_000);
    const { inflightBytes } = run.ingest.status();
    // All that may be unwritten: two fifths of the budget, less than a page of which is left.
    expect(inflightBytes).toBeGreaterThan((1_048_576 * 2) / 5 - 65_536);
    expect(inflightBytes).toBeLessThan(1_048_576 + 4 * 7 * 21_000);
    expect(inflightBytes).toBeLessThanOrEqual((1_048_576 * 2) / 5);
    open();
    down = Promise.resolve();
    await world.untilArchived(run);
    await run.stop();
    await world.expectExact();
    expect(run.ingest.status().inflightBytes).toBe(0);
  });

  it('seals segments early rather than wait for ever when they fill the memory', async () => {
    const world = new World(8, 3);
    const noise = () => Array.from({ length: 3_000 }, () => Math.floor(world.random() * 2 ** 30).toString(36)).join('');
    for (let n = 0; n < 200; n++) {
      const event = { ...world.event(), note: noise() };
      world.putRecord([event]);
    }
    const run = world.start({ settings: { archiveMaxBytes: 1_073_741_824, archiveMaxAgeMs: 86_400_000 } });
    const totals = (): number => world.influx.points.get('total')?.size ?? 0;
    await world.until(() => totals() >= world.oracle.events, run);
    await world.sleep(1_000);
    const { shards } = run.ingest.status();
    expect(shards.map((shard) => shard.unwrittenRecords)).toEqual([0, 0, 0]);
    expect(await world.oracle.comparePoints('total', world.influx.fields('total'))).toEqual(NO_DIFFERENCE);
    await run.stop();
    await world.expectExact();
  });

  it('ends with drain_timeout when a sink stays away, and the next start reads again what was left', async () => {
    const world = new World(9, 2);
    for (let n = 0; n < 50; n++) world.put();
    const gate = world.archive.gate;
    world.archive.gate = () => new Promise(() => undefined);
    const run = world.start();
    await world.sleep(5_000);
    await expect(run.stop()).rejects.toMatchObject({
      code: 'drain_timeout',
      message: expect.stringMatching(/^\d+ records of \d shards? were read/),
    });
    world.archive.gate = gate;
    const next = world.start();
    await world.untilArchived(next);
    await next.stop();
    await world.expectExact();
  });

  /** Bad records on one of two shards, and good ones on both, before and behind them. */
  async function badDeploy(seed: number, crash?: () => CrashPoint) {
    const world = new World(seed, 2);
    const [badShard, goodShard] = world.stream.open as [ModelShard, ModelShard];
    const [bad, good] = [badShard.shardId, goodShard.shardId];
    const settings = { archiveMaxBytes: 1_048_576, archiveMaxAgeMs: 86_400_000, bufferMaxBytes: 67_108_864 };
    for (let n = 0; n < 100; n++) world.put();
    const first = world.start();
    await world.untilArchived(first);
    await first.stop();
    const badLetters = (): number =>
      world.archive.lines('rejected').filter((line) => line.includes('"type_invalid"')).length;
    const letters = badLetters();
    for (let n = 0; n < 1_500; n++) {
      world.putPoison(Buffer.from(`{"eventId":"bad${n}","type":"LIKE"}`), badShard);
      if (n % 30 === 0) world.putRecord([world.event()], badShard);
      if (n % 30 === 0) world.putRecord([world.event()], goodShard);
    }
    const run = world.start({ settings, ...(crash === undefined ? {} : { crash: crash() }) });
    const held = (): boolean => world.checkpoints.shards.get(bad)?.hold !== undefined;
    const stateOf = (of: Run) => of.ingest.status().shards.find(({ shardId }) => shardId === bad)?.state;
    return { world, bad, good, badShard, goodShard, settings, letters, badLetters, run, held, stateOf };
  }

  it('holds the shard of a bad deploy where it is, reads the other one, and goes on when the shard is released', async () => {
    const { world, bad, good, goodShard, settings, letters, badLetters, run, held, stateOf } = await badDeploy(15);
    await world.until(held, run);
    expect(world.checkpoints.shards.get(bad)?.hold?.reason).toContain('"type_invalid"');
    for (let n = 0; n < 40; n++) world.putRecord([world.event()], goodShard);
    await world.sleep(30_000);
    const status = run.ingest.status();
    expect(status.mode).toBe('running');
    expect(Object.fromEntries(status.shards.map(({ shardId, state }) => [shardId, state]))).toEqual({
      [bad]: 'held',
      [good]: 'reading',
    });
    expect(status.shards.find(({ shardId }) => shardId === good)?.unwrittenRecords).toBe(0);
    expect(badLetters()).toBe(letters);
    const at = world.checkpoints.shards.get(bad)?.sequenceNumber;
    // Whatever is held takes no memory, and a stop has nothing to wait for.
    await run.stop();
    expect(run.ingest.status().inflightBytes).toBe(0);
    // As an orchestrator does: started again, it holds the shard again, and no further on.
    for (let start = 0; start < 3; start++) {
      const again = world.start({ settings });
      await world.until(() => stateOf(again) === 'held', again);
      await again.stop();
      expect(badLetters()).toBe(letters);
      expect(world.checkpoints.shards.get(bad)?.sequenceNumber).toBe(at);
    }
    const last = world.start({ settings });
    await world.until(() => stateOf(last) === 'held', last);
    world.checkpoints.releases.set(bad, world.clock.now());
    await world.until(() => stateOf(last) === 'reading', last);
    for (let n = 0; n < 10; n++) world.put();
    await world.sleep(60_000);
    expect(last.ingest.status().shards.every(({ state }) => state === 'reading')).toBe(true);
    await last.stop();
    expect(world.checkpoints.shards.get(bad)?.hold).toBeUndefined();
    await world.expectExact();
  });

  it('holds a released shard again when new records are bad too', async () => {
    const { world, bad, badShard, run, held } = await badDeploy(17);
    await world.until(held, run);
    world.checkpoints.releases.set(bad, world.clock.now());
    await world.until(() => !held(), run);
    await world.sleep(60_000);
    for (let n = 0; n < 1_100; n++) world.putPoison(Buffer.from('still no json'), badShard);
    await world.until(held, run);
    expect(world.checkpoints.shards.get(bad)?.hold?.reason).toContain('"not_json"');
    await run.stop();
    const last = world.start({ settings: { rejectMaxRatio: 1 } });
    await world.untilArchived(last);
    await last.stop();
    await world.expectExact();
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'loses nothing where it is killed around a hold and a release (%i)',
    async (seed) => {
      const { world, bad, settings, run, held } = await badDeploy(100 + seed, () => ({
        write: 1 + seed * 4,
        when: 'after',
      }));
      await Promise.race([world.sleep(45_000), run.killed]);
      run.kill();
      for (let round = 0; round < 4; round++) {
        if (round === 2) world.checkpoints.releases.set(bad, world.clock.now());
        const crash: CrashPoint = {
          write: 1 + Math.floor(world.random() * 12),
          when: world.pick(['before', 'after', 'half']),
        };
        const next = world.start({ settings, crash });
        await Promise.race([world.sleep(45_000), next.killed]);
        next.kill();
      }
      const last = world.start();
      await world.untilArchived(last);
      await last.stop();
      expect(held()).toBe(false);
      await world.expectExact();
    },
  );

  it('refuses to archive records again from an older checkpoint, and is exact once it is told how', async () => {
    const world = new World(16, 2);
    const put = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) world.put();
      const run = world.start();
      await world.untilArchived(run);
      await run.stop();
    };
    await put(60);
    const old = new Map(world.checkpoints.shards);
    await put(90);
    await put(30);
    const objects = new Set(world.archive.objects.keys());
    for (const [shardId, checkpoint] of old) world.checkpoints.shards.set(shardId, checkpoint);
    // Records that are new, so that ranges end elsewhere than those of the runs before.
    for (let n = 0; n < 40; n++) world.put();
    let moved = 0;
    for (;;) {
      const run = world.start();
      const failed = run.ingest.done.then(
        () => undefined,
        (error: unknown) => error,
      );
      await Promise.race([failed, world.untilArchived(run).catch(() => undefined)]);
      const stopped = await run.stop().catch((error: unknown) => error);
      if (!(stopped instanceof UserpulseError)) break;
      expect(stopped).toMatchObject({
        code: 'archive_conflict',
        message: expect.stringContaining('lie behind the checkpoint'),
        hint: expect.stringContaining('Put the newest checkpoint back'),
      });
      // Nothing was written beside what is there; as the hint says, the object is moved away.
      const [, key = ''] = /its object (\S+) overlaps/.exec(stopped.message) ?? [];
      expect(objects.delete(key)).toBe(true);
      world.archive.objects.delete(key);
      moved++;
    }
    expect(moved).toBeGreaterThan(1);
    await world.expectExact();
  });

  it('reports a checkpoint that the stream has trimmed, and goes on only when told to', async () => {
    const world = new World(10, 1);
    // A day lies between both halves: longer than places are remembered.
    world.collisions = 0;
    for (let n = 0; n < 20; n++) world.put();
    const first = world.start();
    await world.untilArchived(first);
    await first.stop();
    world.stream.put(world.stream.open[0]!, Buffer.from('lost, for nobody reads it in time'));
    world.clock.jump(world.stream.retentionMs + 3_600_000);
    world.stream.trim();
    for (let n = 0; n < 20; n++) world.put();
    const second = world.start();
    await expect(second.ingest.done).rejects.toMatchObject({ code: 'checkpoint_trimmed' });
    const third = world.start({ settings: { onTrimmed: 'continue' } });
    await world.untilArchived(third);
    await third.stop();
    await world.expectExact();
  });

  it('takes a quiet shard for what it is when its last record is trimmed', async () => {
    const world = new World(11, 1);
    // The places of trimmed records cannot be known after a restart.
    world.collisions = 0;
    // Longer than the pause after which a quiet checkpoint is saved again.
    world.stream.retentionMs = 480_000;
    for (let n = 0; n < 5; n++) world.put();
    const first = world.start();
    await world.untilArchived(first);
    // A long time without an event, ingest running: its checkpoint keeps saying that nothing is missing.
    await world.sleep(2 * world.stream.retentionMs);
    world.stream.trim();
    await first.stop();
    const second = world.start();
    await world.sleep(2_000);
    for (let n = 0; n < 5; n++) world.put();
    await world.untilArchived(second);
    await second.stop();
    await world.expectExact();
  });

  it('begins with what comes after the first start when told to start at the latest, also after a crash', async () => {
    const world = new World(12, 2);
    world.stream.put(world.stream.open[0]!, Buffer.from('before the first start'));
    await world.sleep(10);
    const first = world.start({ settings: { start: { kind: 'latest' } }, crash: { write: 2, when: 'before' } });
    await world.sleep(1_000);
    for (let n = 0; n < 20; n++) world.put();
    await first.killed;
    const second = world.start({ settings: { start: { kind: 'latest' } } });
    await world.untilArchived(second);
    await second.stop();
    await world.expectExact();
  });

  it('finds the place of a relocated point again after a crash, also when the event that holds its own place is forgotten', async () => {
    const world = new World(14, 1);
    world.collisions = 0;
    const [shard] = world.stream.open;
    const first = world.start();
    world.putRecord([world.colliding(0)], shard);
    // Longer than a restart reads back, within what this run remembers.
    for (let n = 0; n < 40; n++) {
      await world.sleep(2_000);
      world.put();
    }
    await world.untilArchived(first);
    world.putRecord([world.colliding(1)], shard);
    const totals = (): number => world.influx.points.get('total')?.size ?? 0;
    const before = totals();
    // Its points are visible, and nothing that comes after them has happened.
    await world.until(() => totals() > before, first, 5);
    first.kill();
    expect(world.checkpoints.shards.get(shard!.shardId)!.warmFrom).not.toBe(shard!.records[0]!.sequenceNumber);
    const second = world.start();
    await world.untilArchived(second);
    await second.stop();
    await world.expectExact();
  });

  it('archives a pending range again as it was decoded first, though the settings have changed', async () => {
    const world = new World(16, 1);
    const [shard] = world.stream.open;
    const events = Array.from({ length: 30 }, () => world.event());
    // One whose point is refused, which is a dead letter with its own line, and one that is none.
    const refused = { ...world.event(), receiverId: REFUSED_USER };
    for (const event of [...events, refused]) world.oracle.event(event);
    world.oracle.poison(Buffer.from('{"eventId":1}'));
    const lines = [...events, refused].map(bytesOf);
    world.stream.put(shard!, gzipSync(`${lines.join('\n')}\n{"eventId":1}\n`));

    const first = world.start({ settings: { split: ['ndjson'], decompress: ['gzip'] } });
    const { onPut } = world.archive;
    world.archive.onPut = (key) => {
      onPut(key);
      // Dies with one object of several written.
      first.kill();
    };
    await first.killed;
    world.archive.onPut = onPut;
    expect(world.checkpoints.shards.get(shard!.shardId)?.pending?.decoding).toMatchObject({ split: ['ndjson'] });
    const second = world.start();
    await world.untilArchived(second);
    world.put();
    await world.untilArchived(second);
    await second.stop();
    expect(world.archive.repeated).toBeGreaterThan(0);
    await world.expectExact();
  });

  it('refuses a checkpoint of a stream that was made again under its name', async () => {
    const world = new World(13, 1);
    const first = world.start();
    await world.sleep(1_000);
    await first.stop();
    world.stream.createdAtMs += 1;
    await expect(world.start().ingest.done).rejects.toMatchObject({ code: 'checkpoint_unusable' });
  });
});
