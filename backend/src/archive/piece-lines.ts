import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { BLOCK_BYTES, BlockMemory } from '../memory/blocks.ts';
import { SpareBuffers } from '../memory/spare-buffers.ts';
import { Semaphore } from '../semaphore.ts';
import type { EncodedLines, LineEncoder } from './codec.ts';

/** Raw bytes compressed at a time; also the most that an object holds uncompressed, apart from what is being compressed. */
export const PIECE_BYTES = 256 * 1024;
const FIRST_ALLOCATION = 8 * 1024;
/** What needs more than this gets memory for a whole piece, which is used again: each doubling leaves memory behind that only a full collection frees. */
const LAST_ALLOCATION = 32 * 1024;
/**
 * Room for the output of a piece, as which compressors take it at a time. Events become a quarter of their size or less. More room would be more garbage
 * that outlives small collections, because the thread pool fills it.
 */
export const OUTPUT_BYTES = 80 * 1024;
/** Kept for reuse: as many pieces as are usually compressed at a time. */
const pieces = new SpareBuffers(PIECE_BYTES, 16);
/** Of Node, by default. */
const POOL_THREADS = 4;
/**
 * As many as are worked on at a time. A compressor takes its memory when it is made: those in line for a processor would hold theirs for nothing, and
 * more of it makes V8 collect more often.
 */
const compressing = new Semaphore(Math.min(POOL_THREADS, availableParallelism()));
/** Of a piece's output, in a block: little of each block is left over. */
const PART_BYTES = BLOCK_BYTES / 4;
const NEWLINE = Uint8Array.of(0x0a);

/** How the pieces of one object are compressed, each by itself. The same pieces always give the same bytes. */
export interface PieceCompressor {
  /** What the object begins with. */
  readonly header: Uint8Array;
  /** Called with the pieces in order; the raw bytes stay as they are until it resolves. @returns the compressed bytes, in parts as the compressor made them */
  compress(raw: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What the object ends with, after the last piece. */
  trailer(rawBytes: number): Uint8Array;
}

/**
 * Lines as an object whose bytes depend on the lines alone: every 256 KiB, wherever that falls, a piece is cut off and compressed by itself. No
 * compressor state lives between pieces, the work is done off the main thread, and memory is the compressed bytes plus one piece.
 */
export class PieceLines implements LineEncoder {
  readonly #compressor: PieceCompressor;
  readonly #onHeld: (change: number) => void;
  readonly #hash = createHash('sha256');
  #pending: Buffer = Buffer.alloc(0);
  #pendingLength = 0;
  readonly #memory = new BlockMemory();
  #chunks: Promise<Uint8Array[]>[] = [];
  #rawBytes = 0;
  #lines = 0;
  #held = 0;

  /** @param onHeld told of every change of the bytes held, as a difference */
  constructor(compressor: PieceCompressor, onHeld: (change: number) => void = () => undefined) {
    this.#compressor = compressor;
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
    if (length >= PIECE_BYTES) {
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
    const { header } = this.#compressor;
    const chunks = [header, ...pieces.flat(), this.#compressor.trailer(this.#rawBytes)].filter(
      ({ length }) => length > 0,
    );
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
      const take = Math.min(bytes.length - at, PIECE_BYTES - this.#pendingLength);
      this.#makeRoom(this.#pendingLength + take);
      this.#pending.set(bytes.subarray(at, at + take), this.#pendingLength);
      this.#pendingLength += take;
      at += take;
      if (this.#pendingLength === PIECE_BYTES) this.#compressPending();
    }
  }

  /** Grows by doubling, because a day with a handful of lines must not cost 256 KiB. Whatever has filled one piece will fill another. */
  #makeRoom(length: number): void {
    if (length <= this.#pending.length) return;
    let size = Math.max(FIRST_ALLOCATION, this.#pending.length);
    while (size < length) size *= 2;
    const larger = this.#chunks.length > 0 || size > LAST_ALLOCATION ? pieces.take() : Buffer.allocUnsafe(size);
    larger.set(this.#pending.subarray(0, this.#pendingLength));
    this.#pending = larger;
  }

  #compressPending(): void {
    const pending = this.#pending;
    const raw = pending.subarray(0, this.#pendingLength);
    this.#pending = Buffer.alloc(0);
    this.#pendingLength = 0;
    this.#hash.update(raw);
    const whole = raw.length === PIECE_BYTES;
    const compressed = compressing
      .run(() => this.#compressor.compress(raw))
      .then((output) => {
        this.#hold(output.reduce((sum, part) => sum + part.length, 0) - raw.length);
        pieces.give(pending);
        // The output lies in larger buffers, which a view would keep alive. Blocks are for members of many pieces; a few lines need none.
        return output.flatMap((part) => (whole ? this.#inBlocks(part) : [Uint8Array.from(part)]));
      });
    // A failure is reported by finish(); until then it must not look unhandled.
    compressed.catch(() => undefined);
    this.#chunks.push(compressed);
  }

  /** A copy, in parts that fit into blocks: what is larger than a block would have memory of its own, which is not used again. */
  #inBlocks(output: Uint8Array): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < output.length; at += PART_BYTES) {
      const part = output.subarray(at, at + PART_BYTES);
      const kept = this.#memory.take(part.length);
      kept.set(part);
      parts.push(kept);
    }
    return parts;
  }

  #hold(change: number): void {
    this.#held += change;
    this.#onHeld(change);
  }
}
