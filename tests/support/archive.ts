import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { TestEvent } from './ingest-world.ts';

/** The UTC day of a time as it stands in a key. */
export const dayPath = (ms: number): string => new Date(ms).toISOString().slice(0, 10).replaceAll('-', '/');

/**
 * An archive as ingest would have written it, made without its code: events in the order given, dealt to shards in turn, a segment of so many
 * lines, an object per segment and day.
 * @param options.codecs of the segments, in turn
 * @returns keys, in order
 */
export async function writeArchive(
  folder: string,
  events: readonly TestEvent[],
  options: {
    readonly shards?: number;
    readonly perSegment?: number;
    readonly codecs?: readonly ('gz' | 'zst')[];
  } = {},
): Promise<string[]> {
  const { shards = 1, perSegment = 1_000, codecs = ['gz'] } = options;
  const keys: string[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const own = events.map((event, n) => ({ event, n })).filter(({ n }) => n % shards === shard);
    for (let at = 0; at < own.length; at += perSegment) {
      const segment = own.slice(at, at + perSegment);
      const sequence = (n: number): string => (10n ** 55n + BigInt(n)).toString();
      const codec = codecs[(at / perSegment + shard) % codecs.length] ?? 'gz';
      const range = `${sequence(segment[0]!.n)}-${sequence(segment.at(-1)!.n)}`;
      const byDay = new Map<string, typeof segment>();
      for (const entry of segment) {
        const day = dayPath(entry.event.occurredAt);
        byDay.set(day, [...(byDay.get(day) ?? []), entry]);
      }
      for (const [day, lines] of byDay) {
        const key = `${day}/shardId-${String(shard).padStart(12, '0')}-${range}.ndjson.${codec}`;
        await mkdir(dirname(join(folder, key)), { recursive: true });
        const text = lines.map(({ event }) => `${JSON.stringify(event)}\n`).join('');
        await writeFile(join(folder, key), codec === 'gz' ? gzipSync(text) : zstdCompressSync(text));
        keys.push(key);
      }
    }
  }
  return keys.sort();
}
