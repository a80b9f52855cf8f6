import { Agent, request } from 'undici';
import type { FakeKinesis } from './fakes.ts';
import { cpuSeconds } from '../usage.ts';

/** What the fake Kinesis can give at most: a client that asks all shards at once, without quotas, and throws the answers away. */
export async function measureCeiling(
  kinesis: FakeKinesis,
  stream: { readonly name: string; readonly shards: number; readonly records: number },
): Promise<{ readonly eventsPerSecond: number; readonly cpuSecondsPerMillion: number }> {
  const dispatcher = new Agent({ connections: stream.shards });
  const ask = async (iterator: string): Promise<{ next: string; records: number }> => {
    const { body } = await request(kinesis.endpoint, {
      method: 'POST',
      dispatcher,
      headers: { 'x-amz-target': 'Kinesis_20131202.GetRecords', 'content-type': 'application/x-amz-json-1.1' },
      body: JSON.stringify({ ShardIterator: iterator, Limit: 1000 }),
    });
    let bytes = 0;
    let tail: Buffer = Buffer.alloc(0);
    for await (const chunk of body) {
      const piece = chunk as Buffer;
      bytes += piece.length;
      tail = piece.length >= 200 ? piece.subarray(-200) : Buffer.concat([tail, piece]).subarray(-200);
    }
    const next = /"NextShardIterator":"([^"]+)"/.exec(tail.toString('latin1'))?.[1] ?? '';
    return { next, records: bytes > 200 ? Number(next.split('|')[2]) - Number(iterator.split('|')[2]) : 0 };
  };
  const pid = kinesis.server.pid ?? 0;
  await kinesis.open(stream.name, false);
  const before = cpuSeconds(pid);
  const begun = performance.now();
  let records = 0;
  await Promise.all(
    Array.from({ length: stream.shards }, async (_, shard) => {
      for (let iterator = `${stream.name}|${shard}|0`; ;) {
        const { next, records: some } = await ask(iterator);
        if (some === 0) return;
        records += some;
        iterator = next;
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  await kinesis.shut(stream.name);
  await dispatcher.close();
  return {
    eventsPerSecond: records / seconds,
    cpuSecondsPerMillion: ((cpuSeconds(pid) - before) * 1e6) / records,
  };
}
