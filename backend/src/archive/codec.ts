import { createHash } from 'node:crypto';
import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A finished object's content. */
export interface EncodedLines {
  /** To be released (memory/blocks.ts) once nothing reads them any more. */
  readonly chunks: readonly Uint8Array[];
  /** Compressed bytes. */
  readonly bytes: number;
  /** Of the lines before compression, hex. Tells equal content from other content whatever the compressor made of it. */
  readonly contentSha256: string;
  readonly rawBytes: number;
  readonly lines: number;
}

/** Lines in, an object's content out. The same lines always give the same bytes. */
export interface LineEncoder {
  /** Bytes held in memory. */
  readonly held: number;
  /** Bytes of the lines so far, line feeds included. */
  readonly rawBytes: number;
  /** Adds a line and a line feed. The caller's buffer is copied. */
  append(line: Uint8Array): void;
  finish(): Promise<EncodedLines>;
}

/** How archive objects are compressed: everything that depends on it, as one value. */
export interface ArchiveCodec {
  /** How keys end. */
  readonly extension: `.ndjson.${string}`;
  readonly contentType: string;
  /** @param onHeld told of every change of the bytes held, as a difference */
  encoder(onHeld?: (change: number) => void): LineEncoder;
  /** @param chunkBytes decompressed bytes at a time */
  decoder(chunkBytes?: number): Duplex;
  /** Whether a failure of {@link decoder} is about the bytes, and not about reading them. */
  isDamage(error: unknown): boolean;
}

/**
 * SHA-256 (hex) of what an object holds. Two objects are the same when this is: the same lines, compressed by another version of the library,
 * differ in their bytes only.
 * @returns undefined where the codec cannot read it
 */
export async function contentSha256(
  codec: ArchiveCodec,
  compressed: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(Readable.from(compressed), codec.decoder(), async (lines: AsyncIterable<Buffer>) => {
      for await (const chunk of lines) hash.update(chunk);
    });
  } catch (error) {
    if (codec.isDamage(error)) return undefined;
    throw error;
  }
  return hash.digest('hex');
}
