import { BlockMemory } from '../memory/blocks.ts';

/**
 * For the data of all pages: records that trickle in, one or two at a time and from many shards, must not hold a block each while the sinks are
 * down. Records that arrived together are released together, whatever their shards.
 */
const memory = new BlockMemory();

/** Bytes `from` to before `to`, in a block of memory that they share with neighbours; see memory/blocks.ts. */
export function copied(bytes: Buffer, from: number, to: number): Uint8Array {
  const data = memory.take(to - from);
  bytes.copy(data, 0, from, to);
  return data;
}

/** What base64 stands for, likewise. @throws Error where it is not base64 */
export function decoded(base64: string): Uint8Array {
  const bytes = bytesOf(base64);
  const data = memory.take(bytes);
  // Node skips what is not base64, so there would be fewer.
  if (data.write(base64, 'base64') !== bytes) throw new Error('Data in a response of GetRecords is not base64.');
  return data;
}

/** Number of bytes that valid base64 encodes. */
function bytesOf(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor(((base64.length - padding) * 3) / 4);
}
