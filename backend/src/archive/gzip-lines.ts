import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';
import { BlockMemory } from '../memory/blocks.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Raw bytes that are compressed at a time; also the most that a member holds uncompressed, apart from what is being compressed. */
export const CHUNK_BYTES = 256 * 1024;
const FIRST_ALLOCATION = 8 * 1024;
/** As many pieces as can be on their way at a time without anybody waiting. */
const pieces = new SpareBuffers(CHUNK_BYTES, 16);
/**
 * Twice as fast as zlib's default of 6, for objects that are 7 to 15 percent larger: docs/adr/0010. The output of a piece fits into one
 * buffer, so that a piece is one job of the thread pool.
 */
const DEFLATE: ZlibOptions = {
  level: 2,
  // A window of 16 KiB stays in the processor's cache: an eighth cheaper for objects of the same size.
  windowBits: 14,
  finishFlush: constants.Z_SYNC_FLUSH,
  chunkSize: CHUNK_BYTES / 2,
};

/** RFC 1952 §2.3: deflate, no name, no time, unknown system: nothing that another run would write differently. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
/** An empty final block: what was flushed before it ended on a byte, and needs no last block of its own. */
const FINAL_BLOCK = Uint8Array.of(0x03, 0x00);
const NEWLINE = Uint8Array.of(0x0a);

export interface FinishedLines {
  /** To be given back (block-memory.ts) by who knows that nobody reads them any more. */
  readonly chunks: readonly Uint8Array[];
  /** Compressed bytes. */
  readonly bytes: number;
  /** Of the lines before compression, hex. Tells equal content apart from other content whatever zlib made of it. */
  readonly contentSha256: string;
  readonly rawBytes: number;
  readonly lines: number;
}

/**
 * Lines as one gzip member. Its bytes are a function of the lines alone: they are cut at every 256 KiB, wherever those fall, and each piece is
 * compressed by itself and flushed to a whole byte (as pigz does). So no compressor state lives between pieces, the work is done
 * off the main thread, and memory is the compressed bytes plus one piece.
 */
export class GzipLines {
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

  /** Bytes held in memory. */
  get held(): number {
    return this.#held;
  }

  get rawBytes(): number {
    return this.#rawBytes;
  }

  /** Copies the line and a line feed: the caller's buffer is free afterwards. */
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

  async finish(): Promise<FinishedLines> {
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

  /** Grows by doubling, because a day with a handful of lines must not cost 256 KiB; one that has filled a piece will fill another. */
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
      // The output lies in a larger buffer, which a view would keep. Blocks are for members of many pieces: one of a few lines is small.
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
