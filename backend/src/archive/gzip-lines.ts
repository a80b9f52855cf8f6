import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, crc32, createGunzip, deflateRaw, type ZlibOptions } from 'node:zlib';
import { BlockMemory } from '../memory/blocks.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';
import type { ArchiveCodec, EncodedLines, LineEncoder } from './codec.ts';

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Raw bytes compressed at a time; also the most that a member holds uncompressed, apart from what is being compressed. */
export const CHUNK_BYTES = 256 * 1024;
const FIRST_ALLOCATION = 8 * 1024;
/** Kept for reuse: as many pieces as are usually compressed at a time. */
const pieces = new SpareBuffers(CHUNK_BYTES, 16);
/**
 * Twice as fast as zlib's default level 6, for objects 7 to 15 percent larger: docs/adr/0010. A piece's output fits into one buffer, so that
 * compressing it is one job of the thread pool.
 */
const DEFLATE: ZlibOptions = {
  level: 2,
  // A window of 16 KiB stays in the processor's cache: an eighth less CPU for objects of the same size.
  windowBits: 14,
  finishFlush: constants.Z_SYNC_FLUSH,
  chunkSize: CHUNK_BYTES / 2,
};

/** RFC 1952 §2.3: deflate, no name, no time, unknown system. Nothing that another run would write differently. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
/** An empty final block. What was flushed before it ends on a whole byte and needs no final block of its own. */
const FINAL_BLOCK = Uint8Array.of(0x03, 0x00);
const NEWLINE = Uint8Array.of(0x0a);

/**
 * Lines as one gzip member, whose bytes depend on the lines alone: every 256 KiB, wherever that falls, a piece is cut off, compressed by itself
 * and flushed to a whole byte (as pigz does). No compressor state lives between pieces, the work is done off the main thread, and
 * memory is the compressed bytes plus one piece.
 */
export class GzipLines implements LineEncoder {
  readonly #onHeld: (change: number) => void;
  readonly #hash = createHash('sha256');
  #crc = 0;
  #pending: Buffer = Buffer.alloc(0);
  #pendingLength = 0;
  readonly #memory = new BlockMemory();
  #chunks: Promise<Uint8Array>[] = [];
  #rawBytes = 0;
  #lines = 0;
  #held = 0;

  /** @param onHeld told of every change of the bytes held, as a difference */
  constructor(onHeld: (change: number) => void = () => undefined) {
    this.#onHeld = onHeld;
  }

  get held(): number {
    return this.#held;
  }

  get rawBytes(): number {
    return this.#rawBytes;
  }

  append(line: Uint8Array): void {
    this.#lines++;
    const length = this.#pendingLength + line.length + 1;
    if (length >= CHUNK_BYTES) {
      this.#put(line);
      this.#put(NEWLINE);
      return;
    }
    this.#makeRoom(length);
    this.#pending.set(line, this.#pendingLength);
    this.#pending[length - 1] = 0x0a;
    this.#pendingLength = length;
    this.#rawBytes += line.length + 1;
    this.#hold(line.length + 1);
  }

  async finish(): Promise<EncodedLines> {
    if (this.#pendingLength > 0) this.#compressPending();
    const pieces = await Promise.all(this.#chunks);
    this.#memory.end();
    const trailer = Buffer.alloc(FINAL_BLOCK.length + 8);
    trailer.set(FINAL_BLOCK, 0);
    trailer.writeUInt32LE(this.#crc, FINAL_BLOCK.length);
    trailer.writeUInt32LE(this.#rawBytes % 2 ** 32, FINAL_BLOCK.length + 4);
    const chunks = [HEADER, ...pieces, trailer];
    return {
      chunks,
      bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
      contentSha256: this.#hash.digest('hex'),
      rawBytes: this.#rawBytes,
      lines: this.#lines,
    };
  }

  #put(bytes: Uint8Array): void {
    this.#rawBytes += bytes.length;
    this.#hold(bytes.length);
    for (let at = 0; at < bytes.length;) {
      const take = Math.min(bytes.length - at, CHUNK_BYTES - this.#pendingLength);
      this.#makeRoom(this.#pendingLength + take);
      this.#pending.set(bytes.subarray(at, at + take), this.#pendingLength);
      this.#pendingLength += take;
      at += take;
      if (this.#pendingLength === CHUNK_BYTES) this.#compressPending();
    }
  }

  /** Grows by doubling, because a day with a handful of lines must not cost 256 KiB. Whatever has filled one piece will fill another. */
  #makeRoom(length: number): void {
    if (length <= this.#pending.length) return;
    if (this.#chunks.length > 0) {
      this.#pending = pieces.take();
      return;
    }
    let size = Math.max(FIRST_ALLOCATION, this.#pending.length);
    while (size < length) size *= 2;
    const larger = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
    larger.set(this.#pending.subarray(0, this.#pendingLength));
    this.#pending = larger;
  }

  #compressPending(): void {
    const pending = this.#pending;
    const raw = pending.subarray(0, this.#pendingLength);
    this.#pending = Buffer.alloc(0);
    this.#pendingLength = 0;
    this.#crc = crc32(raw, this.#crc);
    this.#hash.update(raw);
    const whole = raw.length === CHUNK_BYTES;
    const compressed = deflate(raw, DEFLATE).then((output) => {
      this.#hold(output.length - raw.length);
      pieces.give(pending);
      // The output lies in a larger buffer, which a view would keep alive. Blocks are for members of many pieces; a few lines need none.
      const kept = whole ? this.#memory.take(output.length) : new Uint8Array(output.length);
      kept.set(output);
      return kept;
    });
    // A failure is reported by finish(); until then it must not look unhandled.
    compressed.catch(() => undefined);
    this.#chunks.push(compressed);
  }

  #hold(change: number): void {
    this.#held += change;
    this.#onHeld(change);
  }
}

export const gzip: ArchiveCodec = {
  extension: '.ndjson.gz',
  // Not as Content-Encoding: clients that undo it would save plain text under a name that ends in .gz.
  contentType: 'application/gzip',
  encoder: (onHeld) => new GzipLines(onHeld),
  decoder: (chunkSize) => createGunzip(chunkSize === undefined ? {} : { chunkSize }),
  isDamage: (error) =>
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_'),
};
