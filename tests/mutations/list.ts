import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A promise of ingest, broken on purpose. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Texts of the file, each of which occurs exactly once, and what they become. */
  readonly edits: readonly (readonly [from: string, to: string])[];
}

const INGEST = 'backend/src/ingest';
const RECORD_RANGE = `      await checkpoint.update((value) => withPending(value, { ...segment.range(), decoding }));\n`;
const PUT = `    await this.#putAll(segment);\n`;
const ADVANCE = `    await this.#advance(segment, warmFrom);\n`;
const HAND_OVER = `    batch.handOver();\n`;
const WRITE = `    const notice = await batch.write(deadline);\n`;

/** Of the order of checkpoints, the identity of points, the end of shards, the names of objects, and what InfluxDB refuses. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'checkpoint order: the checkpoint passes a range before its objects are written',
    file: `${INGEST}/shard-archive.ts`,
    edits: [
      [ADVANCE, ''],
      [PUT, `${ADVANCE}${PUT}`],
    ],
  },
  {
    name: 'checkpoint order: objects are written before their range is recorded',
    file: `${INGEST}/shard-archive.ts`,
    edits: [
      [RECORD_RANGE, ''],
      [PUT, `${PUT}    if (kind === 'new') {\n${RECORD_RANGE}    }\n`],
    ],
  },
  {
    name: 'checkpoint order: records go on before InfluxDB has answered',
    file: `${INGEST}/batcher.ts`,
    edits: [
      [HAND_OVER, ''],
      [WRITE, `${HAND_OVER}${WRITE}`],
    ],
  },
  {
    name: 'point identity: the millisecond alone is the time of a point',
    file: 'backend/src/schema/event-writer.ts',
    edits: [[`writeDigits(this.#time, 13, 6, offsetNs);`, `writeDigits(this.#time, 13, 6, 0);`]],
  },
  {
    name: 'point identity: events that want the same place overwrite each other',
    file: `${INGEST}/batch.ts`,
    edits: [
      [`writer.end(bucket.lines, role, event, offsetNs);`, `writer.end(bucket.lines, role, event, identity.offsetNs);`],
    ],
  },
  {
    name: 'point identity: a relocation is not noted',
    file: `${INGEST}/batch.ts`,
    edits: [[`if (relocation !== undefined) {`, `if (relocation === null) {`]],
  },
  {
    name: 'null iterator: records that come with no next iterator are dropped',
    file: 'backend/src/kinesis/stream-source.ts',
    edits: [
      [`numbered(page.Records)`, `numbered(page.NextShardIterator == null ? page.Records.slice(0, 0) : page.Records)`],
    ],
  },
  {
    name: 'object naming: a key ends in a random number',
    file: 'backend/src/archive/keys.ts',
    edits: [[`\${range.last}\${CODECS`, `\${range.last}-\${Math.random()}\${CODECS`]],
  },
  {
    name: 'object naming: the day is taken from the clock',
    file: `${INGEST}/written-records.ts`,
    edits: [[`this.#items.push(dayOf(event.occurredAtMs));`, `this.#items.push(dayOf(Date.now()));`]],
  },
  {
    name: 'shards: a child is read before its parent is finished, and its parent not at all',
    file: `${INGEST}/shard-schedule.ts`,
    edits: [
      [
        `if (own !== 'unread') continue;`,
        `if (own !== 'unread' || listed.some((s) => s.parents.includes(shard.shardId))) continue;`,
      ],
      [`state === 'done' ||`, `state !== 'reading' ||`],
    ],
  },
  {
    name: 'sinks: all lines that InfluxDB refuses for the sake of one are given up',
    file: 'backend/src/influx/influx-sink.ts',
    edits: [[`count === 1 || droppedOf`, `count >= 1 || droppedOf`]],
  },
  {
    name: 'sinks: what InfluxDB has refused is forgotten in a crash',
    file: `${INGEST}/segment.ts`,
    edits: [[`codec: this.codec, refusals: this.#refusals }`, `codec: this.codec, refusals: [] }`]],
  },
  {
    name: 'memory: a block of records is used again while one of them is still wanted',
    file: 'backend/src/memory/blocks.ts',
    edits: [[`if (--block.holders > 0) return;`, `if (--block.holders > 1) return;`]],
  },
];

/** @throws Error where the text does not hold what is to be changed exactly once */
export function mutated(whole: string, file: string, edits: Mutation['edits']): string {
  let text = whole;
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold exactly once: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}

/**
 * Breaks the source in a folder.
 * @returns what mends it
 * @throws Error where the source does not hold a text of the mutation any more
 */
export function mutate(folder: string, { file, edits }: Mutation): () => void {
  const path = join(folder, file);
  const whole = readFileSync(path, 'utf8');
  writeFileSync(path, mutated(whole, file, edits));
  return () => writeFileSync(path, whole);
}
