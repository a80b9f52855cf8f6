/**
 * How fast records become points: `npx tsx bench/decode.ts [events]`. Prints, for plain and for KPL-aggregated records, events per second of
 * this one process and CPU seconds per million events; no server, no network.
 */
import { decodeRecord, type StreamRecord } from '../backend/src/event/decode.ts';
import { aggregate } from '../backend/src/event/kpl.ts';
import { Generator } from '../backend/src/produce/generator.ts';
import type { Schema } from '../backend/src/schema/buckets.ts';
import { EventIds } from '../backend/src/schema/event-ids.ts';
import { identityOf } from '../backend/src/schema/identity.ts';
import { pointsOf, renderLine } from '../backend/src/schema/points.ts';
import { SlotTable } from '../backend/src/schema/slots.ts';

const EVENTS = Number(process.argv[2] ?? 1_000_000);
const PER_AGGREGATE = 300;
/** Distinct events made beforehand; the run goes through them again and again at later times. */
const POOL = 100_000;

const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { side: 'first', length: 4 },
  sharePrefix: { side: 'first', length: 6 },
};

const startMs = Date.now();
const generator = new Generator({
  users: 1_000_000,
  shares: 20_000,
  types: ['like', 'comment', 'reshare', 'follow', 'mention'],
  invalid: 0,
  repeats: 0,
  seed: 1,
  startMs,
});
const outgoing = Array.from({ length: POOL }, (_, n) => generator.next(Math.floor(startMs + n / 25)).record);
const record = (data: Uint8Array): StreamRecord => ({
  data,
  partitionKey: '1',
  sequenceNumber: '1',
  approximateArrivalMs: startMs + POOL,
});
const plain = outgoing.map(({ data }) => record(data));
const aggregated = Array.from({ length: Math.ceil(POOL / PER_AGGREGATE) }, (_, n) =>
  record(aggregate(outgoing.slice(n * PER_AGGREGATE, (n + 1) * PER_AGGREGATE)).data),
);
const hashRange = { start: 0n, end: 2n ** 127n - 1n };

function measure(name: string, records: readonly StreamRecord[], work: (record: StreamRecord) => number): void {
  const run = (events: number): number => {
    let done = 0;
    while (done < events) for (const each of records) done += work(each);
    return done;
  };
  run(POOL);
  const cpu = process.cpuUsage();
  const started = performance.now();
  const done = run(EVENTS);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  const column = (n: number, digits: number, width: number): string => n.toFixed(digits).padStart(width);
  console.log(
    `${name.padEnd(34)}${column(done / seconds, 0, 10)} events/s ${column((cpuSeconds * 1e6) / done, 2, 8)} CPU s per million`,
  );
}

measure('decode, plain', plain, (each) => decodeRecord(each, { maxAheadMs: 600_000, hashRange }).items.length);
measure('decode, KPL', aggregated, (each) => decodeRecord(each, { maxAheadMs: 600_000, hashRange }).items.length);

const slots = new SlotTable({ capacity: 1 << 20 });
const ids = new EventIds(1 << 18);
let bytes = 0;
const toLines = (each: StreamRecord): number => {
  const { items } = decodeRecord(each, { maxAheadMs: 600_000, hashRange });
  for (const item of items) {
    if (item.kind === 'rejection') throw new Error(item.reason);
    const identity = identityOf(item.event);
    ids.reused(identity);
    for (const point of pointsOf(item.event, schema)) {
      bytes += renderLine(point, slots.assign(point, identity).slot).length;
    }
  }
  return items.length;
};
measure('decode to line protocol, plain', plain, toLines);
measure('decode to line protocol, KPL', aggregated, toLines);
console.log(`(${slots.moves} moves, ${(bytes / 1e6).toFixed(0)} MB of lines)`);
