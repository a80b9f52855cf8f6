import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { ZstdFrames } from '../../backend/src/archive/zstd-frames.ts';

/** What an archive object holds, by how its key ends. */
export function plainText(key: string, content: Buffer): string {
  if (!key.endsWith('.zst')) return gunzipSync(content).toString();
  const frames: Buffer[] = [];
  for (let at = 0; at < content.length;) {
    const end = new ZstdFrames().take(content, at);
    frames.push(zstdDecompressSync(content.subarray(at, end)));
    at = end;
  }
  return Buffer.concat(frames).toString();
}
