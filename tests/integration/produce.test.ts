import { GetRecordsCommand, GetShardIteratorCommand, ListShardsCommand } from '@aws-sdk/client-kinesis';
import { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CommandContext } from '../../backend/src/commands/context.ts';
import { registerProduce } from '../../backend/src/commands/produce.ts';
import { loadConfig } from '../../backend/src/config.ts';
import { decodeRecord, type DecodedItem } from '../../backend/src/event/decode.ts';
import { higgsEvent } from '../../backend/src/produce/higgs-event.ts';
import {
  createStream,
  eventually,
  kinesis,
  parts,
  partsEnv,
  temporaryFolder,
  usePartsEnvironment,
} from '../support/parts.ts';

interface Summary {
  readonly events: number;
  readonly records: number;
  readonly bytes: number;
  readonly invalid: number;
  readonly seconds: number;
  readonly repeats: number;
  readonly kinesisRecords: number;
}

interface Run {
  /** Standard output as lines. */
  readonly out: string[];
  readonly err: () => string;
  readonly done: Promise<void>;
  readonly stop: AbortController;
}

function produce(stream: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Run {
  const written = { out: '', err: '' };
  const sink = (into: 'out' | 'err') =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        written[into] += chunk.toString();
        done();
      },
    });
  const stop = new AbortController();
  const env = partsEnv({ USERPULSE_STREAM: stream, ...more });
  const context: CommandContext = {
    env,
    aws: { region: 'us-east-1', endpoints: { kinesis: parts().kinesis.endpoint, s3: undefined, dynamodb: undefined } },
    cwd: process.cwd(),
    stdout: sink('out'),
    stdin: process.stdin,
    stderr: sink('err'),
    stop: stop.signal,
    createLogger: () => pino({ level: 'silent' }),
    config: (names, defaultPort = 8088) => loadConfig(env, names, { cwd: process.cwd(), defaultPort }),
  };
  const program = new Command('userpulse').exitOverride();
  registerProduce(program, context);
  const run = {
    out: [] as string[],
    err: () => written.err,
    stop,
    done: program.parseAsync(['produce', ...args], { from: 'user' }).then(
      () => void run.out.push(...written.out.trimEnd().split('\n')),
      (error: unknown) => {
        run.out.push(...written.out.trimEnd().split('\n'));
        throw error;
      },
    ),
  };
  return run;
}

const summaryOf = (run: Run): Summary => JSON.parse(run.out.at(-1) ?? '') as Summary;

/** Every record on the stream, decoded with the range of the shard it was read from. */
async function readBack(stream: string) {
  const items: DecodedItem[] = [];
  let bytes = 0;
  let records = 0;
  let outsideShard = 0;
  let shardsUsed = 0;
  const { Shards: shards = [] } = await kinesis().send(new ListShardsCommand({ StreamName: stream }));
  for (const shard of shards) {
    const { ShardIterator: first } = await kinesis().send(
      new GetShardIteratorCommand({ StreamName: stream, ShardId: shard.ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
    );
    const before = records;
    for (let iterator = first; iterator !== undefined;) {
      const page = await kinesis().send(new GetRecordsCommand({ ShardIterator: iterator }));
      for (const record of page.Records ?? []) {
        const decoded = decodeRecord(
          {
            data: record.Data!,
            approximateArrivalMs: record.ApproximateArrivalTimestamp!.getTime(),
          },
          {
            maxAheadMs: 600_000,
            hashRange: {
              start: BigInt(shard.HashKeyRange!.StartingHashKey!),
              end: BigInt(shard.HashKeyRange!.EndingHashKey!),
            },
          },
        );
        items.push(...decoded.items);
        outsideShard += decoded.outsideShard;
        bytes += record.Data!.length;
        records++;
      }
      if ((page.Records?.length ?? 0) === 0 && page.MillisBehindLatest === 0) break;
      iterator = page.NextShardIterator;
    }
    if (records > before) shardsUsed++;
  }
  const events = items.flatMap((item) => (item.kind === 'event' ? [item.event] : []));
  const rejections = items.filter((item) => item.kind === 'rejection');
  return { events, rejections, items, bytes, records, outsideShard, shardsUsed };
}

describe('userpulse produce', () => {
  beforeAll(() => usePartsEnvironment());

  it('puts what it says it put: events, broken ones and repeats, over all shards', async () => {
    const stream = await createStream(3, 'produce');
    const run = produce(stream, ['--rate', '0', '--events', '400', '--invalid', '0.1', '--repeats', '0.1', '--json']);
    await run.done;
    const summary = summaryOf(run);
    const back = await readBack(stream);
    expect(summary).toMatchObject({ records: 400, kinesisRecords: 400 });
    expect(back.items).toHaveLength(400);
    expect(back.rejections).toHaveLength(summary.invalid);
    expect(new Set(back.events.map((event) => event.eventId)).size).toBe(summary.events);
    expect(back.events).toHaveLength(summary.events + summary.repeats);
    expect(back.bytes).toBe(summary.bytes);
    expect(summary.invalid).toBeGreaterThan(0);
    expect(summary.repeats).toBeGreaterThan(0);
    expect(back.shardsUsed).toBe(3);
  });

  it('aggregates as the Kinesis Producer Library does: every event in the shard of its own key', async () => {
    const stream = await createStream(3, 'produce');
    const run = produce(stream, ['--rate', '0', '--events', '5000', '--invalid', '0.01', '--aggregate', '--json']);
    await run.done;
    const summary = summaryOf(run);
    const back = await readBack(stream);
    expect(back.items).toHaveLength(5_000);
    expect(back.events).toHaveLength(summary.events);
    expect(back.rejections).toHaveLength(summary.invalid);
    expect(back.rejections.every((item) => item.subSequence !== undefined)).toBe(true);
    expect(back.records).toBe(summary.kinesisRecords);
    expect(back.records).toBeLessThan(50);
    expect(back.outsideShard).toBe(0);
    expect(back.shardsUsed).toBe(3);
    expect(back.bytes).toBe(summary.bytes);
  });

  it('replays a Higgs file, moved to now', async () => {
    const stream = await createStream(1, 'produce');
    const lines = Array.from(
      { length: 300 },
      (_, n) => `${n + 1} 88 ${1_341_100_972 + n * 10} ${['RT', 'MT', 'RE'][n % 3]}`,
    );
    const path = join(await temporaryFolder(), 'higgs.txt');
    await writeFile(path, `${lines.join('\n')}\n`);
    const before = Date.now();
    await produce(stream, ['--file', path, '--aggregate', '--shift-to-now']).done;
    const { events, rejections } = await readBack(stream);
    expect(rejections).toEqual([]);
    const times = events.map((event) => event.occurredAtMs);
    const shift = Math.max(...times) - (1_341_100_972 + 2_990) * 1000;
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now());
    expect(Math.max(...times)).toBeGreaterThan(before - 2_000);
    expect(events.toSorted((a, b) => a.occurredAtMs - b.occurredAtMs)).toEqual(
      lines.map((line) => higgsEvent(line, shift)),
    );
  });

  it('finishes what it has begun when stopped, and says so', async () => {
    const stream = await createStream(1, 'produce');
    const run = produce(stream, ['--rate', '50', '--json']);
    await eventually(async () => (await readBack(stream)).events.length > 20, { what: 'the first events' });
    run.stop.abort();
    await run.done;
    const summary = summaryOf(run);
    const back = await readBack(stream);
    expect(back.events).toHaveLength(summary.events);
    expect(summary.records).toBe(summary.events);
    expect(run.err()).toContain('Sent ');
  });

  it('names the stream that does not exist and what makes it', async () => {
    await expect(produce('absent', []).done).rejects.toMatchObject({
      code: 'stream_not_found',
      message: expect.stringContaining('"absent" (USERPULSE_STREAM)') as string,
      hint: expect.stringContaining('setup --create') as string,
    });
  });

  it('names the file that cannot be read before anything is put', async () => {
    const stream = await createStream(1, 'produce');
    const run = produce(stream, ['--file', '/nowhere/higgs.txt.gz']);
    await expect(run.done).rejects.toMatchObject({ code: 'input_unreadable' });
    expect(run.out).toEqual(['']);
    expect((await readBack(stream)).items).toEqual([]);
  });
});
