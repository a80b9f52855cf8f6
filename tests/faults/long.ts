import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLocalParts } from '../../tools/parts/index.ts';
import { createProgress } from '../../tools/progress.ts';
import { formatDuration, grouped, markdownTable } from '../../tools/text.ts';
import { eventually, useParts } from '../support/parts.ts';
import { Deck, injectTogether, underTraffic } from './campaign.ts';
import { FaultyWorld } from './faulty-world.ts';
import { KINDS, type FaultKind } from './kinds.ts';
import { command, settings } from './settings.ts';
import { Ledger, report } from './ledger.ts';

/**
 * The long form of the fault suite (`make faults`): one stream, one set of stores, traffic without a pause, and faults of every kind, alone and
 * together, until so many events, kills and changes of the shards are reached; then all of it is compared with the oracle.
 */
const SETTINGS = settings({
  FAULTS_SEED: 1,
  FAULTS_EVENTS: 1_000_000,
  FAULTS_RATE: 900,
  FAULTS_KILLS: 200,
  FAULTS_RESHARDS: 20,
});
const {
  FAULTS_SEED: seed,
  FAULTS_EVENTS: events,
  FAULTS_RATE: rate,
  FAULTS_KILLS: kills,
  FAULTS_RESHARDS: reshards,
} = SETTINGS;
const COMMAND = command(SETTINGS, 'faults');

const FOLDER = join('artifacts', 'faults');
const FILE = join(FOLDER, 'report.md');
/** Small buffers, so that an outage need not last for an hour to be longer than all of them. */
const BUFFER_BYTES = 4 * 1024 * 1024;
const LIMITS = { USERPULSE_BUFFER_MAX_BYTES: String(BUFFER_BYTES), USERPULSE_ARCHIVE_MAX_BYTES: '524288' };
const TOGETHER = 'several of them at a time';
const VOLLEY = 'kill -9: one after another, nothing finished between';

class Campaign {
  readonly #w: FaultyWorld;
  readonly #ledger = new Ledger();
  readonly #progress = createProgress(process.stderr);
  readonly #startedMs = Date.now();
  readonly #deck: Deck;
  #step = '';
  #steps = 0;

  constructor(world: FaultyWorld) {
    this.#w = world;
    this.#deck = new Deck(KINDS, world.random);
  }

  async run(): Promise<boolean> {
    const w = this.#w;
    const ticker = setInterval(() => this.#tell(), 1_000);
    try {
      w.run();
      await underTraffic(w, rate, async () => {
        for (const sink of ['InfluxDB', 'S3'] as const) {
          await this.#untilReached(sink === 'InfluxDB' ? 0.3 : 0.6);
          await this.#longOutage(sink);
        }
        await this.#untilReached(1);
      });
      this.#step = 'draining';
      await w.drain(600_000);
      this.#step = 'comparing';
    } finally {
      clearInterval(ticker);
      this.#progress.keep();
    }
    return this.#compare();
  }

  /** Faults until this share of everything that was asked for has happened. */
  async #untilReached(share: number): Promise<void> {
    const w = this.#w;
    while (w.world.oracle.sent < events * share || w.kills < kills * share || w.reshards < reshards * share) {
      this.#steps++;
      if (this.#steps % 4 === 0) {
        await this.#recoverFrom([TOGETHER], () =>
          injectTogether(w, [this.#deck.draw(), this.#deck.draw(), this.#deck.draw()]),
        );
        w.count(TOGETHER);
      } else {
        const kind = this.#deck.draw();
        await this.#recoverFrom([kind.name], () => kind.inject(w));
      }
      const done = Math.min(1, w.world.oracle.sent / events);
      if (w.kills < kills * done + 2) await this.#recoverFrom([VOLLEY], () => this.#volley());
      if (w.reshards < reshards * done) {
        const changes = KINDS.filter((kind: FaultKind) => kind.area === 'stream');
        const kind = changes[Math.floor(w.random() * changes.length)];
        if (kind !== undefined) await this.#recoverFrom([kind.name], () => kind.inject(w));
      }
    }
  }

  async #volley(): Promise<void> {
    for (let n = 2 + Math.floor(this.#w.random() * 4); n > 0; n--) {
      await sleep(200 + this.#w.random() * 1_800);
      await this.#w.kill();
    }
    this.#w.count(VOLLEY);
  }

  /** Until reading has stopped because nothing more fits in memory, and then some more. */
  async #longOutage(sink: 'InfluxDB' | 'S3'): Promise<void> {
    const w = this.#w;
    const kind = `${sink}: down for longer than every buffer`;
    await this.#recoverFrom([kind], async () => {
      await (sink === 'InfluxDB' ? w.influx : w.s3).down(kind);
      // Records not written yet may take two fifths of the budget, and one page per shard may be under way when that is used up.
      await eventually(async () => (await w.inflightBytes()) > BUFFER_BYTES * 0.28, {
        what: 'a full buffer',
        timeoutMs: 300_000,
        intervalMs: 1_000,
      });
      await sleep(15_000);
      await (sink === 'InfluxDB' ? w.influx : w.s3).up();
    });
  }

  async #recoverFrom(kinds: readonly string[], inject: () => Promise<void>): Promise<void> {
    this.#step = kinds.join(', ');
    await inject();
    const endedMs = Date.now();
    await this.#w.world.untilDurable(this.#w.world.marks(), 180_000);
    for (const kind of kinds) this.#ledger.recovered(kind, Date.now() - endedMs);
    if (this.#w.unexpectedEnds.length > 0)
      throw new Error(`Ingest ended by itself.\n${this.#w.unexpectedEnds[0] ?? ''}`);
  }

  #tell(): void {
    const w = this.#w;
    this.#progress.status(
      `${formatDuration(Date.now() - this.#startedMs)}  ${grouped(w.world.oracle.sent)} of ${grouped(events)} events, ` +
        `${w.kills} of ${kills} kills, ${w.reshards} of ${reshards} changes of shards  ${this.#step}`,
    );
  }

  async #compare(): Promise<boolean> {
    const w = this.#w;
    const { oracle } = w.world;
    const say = (text: string): void => report(FILE, text);
    say(`\n${markdownTable(['fault', 'injected', 'longest recovery, s'], this.#ledger.rows(w.injected()), 1)}\n`);
    const rows: string[][] = [];
    let first: string | undefined;
    for (const [what, { expected, missing, surplus }] of await w.world.verdicts()) {
      rows.push([what, grouped(expected), grouped(missing.length), grouped(surplus.length)]);
      first ??= missing[0] ?? surplus[0];
    }
    say(markdownTable(['contents', 'expected', 'lost', 'duplicated or wrong'], rows, 1));
    say(
      `\n${grouped(oracle.events)} different events and ${grouped(oracle.poisoned)} that are none, in ${grouped(w.world.records)} records; ` +
        `${w.kills} kills, ${w.refusedStarts} starts refused because a dependency was away, ${w.reshards} changes of shards, ` +
        `${grouped(w.lastPages)} last pages of closed shards; ${formatDuration(Date.now() - this.#startedMs)}. Seed ${seed}.`,
    );
    if (first === undefined) return true;
    say(`\nFIRST DIFFERENCE: ${first}`);
    for (const event of oracle.eventsOf(first)) say(`  of the event ${JSON.stringify(event)}`);
    return false;
  }
}

async function main(): Promise<number> {
  mkdirSync(FOLDER, { recursive: true });
  rmSync(FILE, { force: true });
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true });
  let world: FaultyWorld | undefined;
  try {
    useParts(parts);
    world = await FaultyWorld.create({
      seed,
      shards: 4,
      env: { ...LIMITS, USERPULSE_ARCHIVE_MAX_AGE_MS: '1000' },
      traffic: { poison: 0.001, aggregated: 300, plain: 0.05, refused: 0.0002 },
    });
    console.error(`Repeat with: ${COMMAND}`);
    if (await new Campaign(world).run()) return 0;
  } catch (error) {
    console.error(error);
    writeFileSync(join(FOLDER, 'ingest.log'), world?.lastLog ?? '');
    console.error(`What ingest said last: ${join(FOLDER, 'ingest.log')}`);
  } finally {
    await world?.end();
    await parts.stop();
  }
  console.error(`\nFAILED. Seed ${seed}; repeat with: ${COMMAND}`);
  return 1;
}

process.exit(await main());
