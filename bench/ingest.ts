import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { aggregate } from '../backend/src/event/kpl.ts';
import type { StreamRecord } from '../backend/src/event/decode.ts';
import { systemClock, type Clock } from '../backend/src/ingest/clock.ts';
import { createIngestRuntime, startIngest } from '../backend/src/ingest/ingest.ts';
import type { StreamSource } from '../backend/src/ingest/stream-source.ts';
import type { Archive } from '../backend/src/sinks/archive.ts';
import type { PointSink } from '../backend/src/sinks/point-sink.ts';
import { ModelCheckpoints, SIMULATED_SCHEMA, SIMULATED_SETTINGS } from '../tests/support/simulation.ts';

/**
 * CPU that ingest itself needs per event: stream and sinks answer at once and take everything. Compression included, quotas and network not.
 *
 * node --import tsx bench/ingest.ts [--events 400000] [--shards 4] [--per-record 1]
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '400000' },
    shards: { type: 'string', default: '4' },
    'per-record': { type: 'string', default: '1' },
  },
});
const events = Number(values.events);
const shards = Number(values.shards);
const perRecord = Number(values['per-record']);

const startMs = Date.now();
const event = (n: number): Buffer =>
  Buffer.from(
    JSON.stringify({
      eventId: `${n.toString(16).padStart(8, '0')}-7c1e-4f2a-9b3d-2f6e8a1c5d70`,
      type: ['like', 'reply', 'retweet'][n % 3],
      occurredAt: startMs - 60_000 + (n >> 4),
      actorId: String(1_000_000 + ((n * 7_919) % 300_000)),
      receiverId: String(1_000_000 + ((n * 104_729) % 300_000)),
      shareId: (0x4ff3_0000_0000_0000n + BigInt((n * 48_271) % 100_000)).toString(16).padStart(24, '0'),
    }),
  );

/** Made page by page, as from a socket: a heap full of inputs would measure the garbage collector. */
function* records(shard: number): Generator<StreamRecord, void, void> {
  let sequence = 10n ** 55n;
  for (let n = shard; n < events; n += shards * perRecord) {
    const parts = [];
    for (let k = n; k < Math.min(events, n + shards * perRecord); k += shards) {
      parts.push({ data: event(k), partitionKey: `key-${k % 10}` });
    }
    const [only] = parts;
    const data = perRecord === 1 && only !== undefined ? only.data : aggregate(parts).data;
    yield { data, partitionKey: 'key', sequenceNumber: String(sequence++), approximateArrivalMs: startMs };
  }
}

let makingMs = 0;
const iterators = Array.from({ length: shards }, (_, shard) => records(shard));
const source: StreamSource = {
  stream: 'bench',
  describe: () => Promise.resolve({ createdAtMs: 0, retentionMs: 86_400_000 }),
  listShards: () =>
    Promise.resolve(
      iterators.map((_, n) => ({
        shardId: `shardId-${n}`,
        parents: [],
        hashRange: { start: 0n, end: 2n ** 128n - 1n },
      })),
    ),
  iterator: (shardId) => Promise.resolve(shardId.slice('shardId-'.length)),
  records: (iterator, limit) => {
    const cpu = process.cpuUsage();
    const page: StreamRecord[] = [];
    while (page.length < limit) {
      const next = iterators[Number(iterator)]?.next();
      if (next === undefined || next.done === true) break;
      page.push(next.value);
    }
    makingMs += milliseconds(process.cpuUsage(cpu));
    return Promise.resolve({ records: page, next: iterator, millisBehindLatest: page.length < limit ? 0 : 1_000 });
  },
};

let points = 0;
const sink: PointSink = {
  write: (_role, lines) => {
    points += lines.length;
    return Promise.resolve([]);
  },
  close: () => Promise.resolve(),
};
let archived = 0;
const archive: Archive = {
  url: 'bench://archive',
  put: (object) => {
    archived += object.bytes;
    return Promise.resolve();
  },
  close: () => undefined,
};
/** Reading at the speed of the processor: waits for quotas are no waits here. */
const clock: Clock = {
  now: () => systemClock.now(),
  sleep: (ms, signal) => systemClock.sleep(ms > 1_000 ? ms : 1, signal),
};

const milliseconds = (usage: NodeJS.CpuUsage): number => (usage.user + usage.system) / 1_000;

const stop = new AbortController();
const before = process.cpuUsage();
const begun = performance.now();
const ingest = startIngest({
  source,
  sink,
  archive,
  checkpoints: new ModelCheckpoints().store(),
  schema: SIMULATED_SCHEMA,
  settings: {
    ...SIMULATED_SETTINGS,
    batchMaxLines: 5_000,
    bufferMaxBytes: 67_108_864,
    archiveMaxBytes: 67_108_864,
    archiveMaxAgeMs: 300_000,
  },
  logger: pino({ level: 'silent' }),
  runtime: createIngestRuntime(new Registry()),
  signal: stop.signal,
  clock,
});
let peakRss = 0;
const watch = setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss());
  if (points >= events * 4) stop.abort();
}, 10);
await ingest.done;
clearInterval(watch);
const cpuMs = milliseconds(process.cpuUsage(before)) - makingMs;
const wallMs = performance.now() - begun;
process.stdout.write(
  `${events} events, ${perRecord} per record, ${shards} shards: ${Math.round(events / (cpuMs / 1_000))} events/s per core ` +
    `(${Math.round(cpuMs)} ms of CPU, ${Math.round(wallMs)} ms on the clock), archive ${(archived / 1e6).toFixed(1)} MB, peak RSS ${Math.round(peakRss / 1e6)} MB\n`,
);
