import { SpareBuffers } from './spare-buffers.ts';

/**
 * Blocks of memory that many byte strings share (the data of records, pieces of archive objects), used again once all of those have been released.
 * What lies outside of V8's heap and has lived for a while is freed by a full collection only, and those come when tens of megabytes have
 * gathered.
 *
 * Whoever reads the bytes last releases them. Nobody must: a block of which a part was dropped on the way is left to the collector.
 */
export const BLOCK_BYTES = 64 * 1024;
/** 16 MiB: about what comes free at once when batches and objects are written, and is wanted again by then. */
const MAX_SPARE = 256;

export interface Block {
  readonly memory: Buffer;
  /** Parts of it that are not released, and one more while others may come. */
  holders: number;
}

const blocks = new WeakMap<ArrayBufferLike, Block>();
const spare = new SpareBuffers(BLOCK_BYTES, MAX_SPARE);

/** Memory for what comes together and is likely to go together: records, the pieces of an object. */
export class BlockMemory {
  #block: Block | undefined;
  #used = 0;

  /** Holds whatever it held before. */
  take(bytes: number): Buffer {
    const { memory } = this.takeIn(bytes);
    return memory.subarray(this.#used - bytes, this.#used);
  }

  /** As {@link take}, without an object for the part: it ends at {@link used} of the block. */
  takeIn(bytes: number): Block {
    let block = this.#block;
    if (block === undefined || this.#used + bytes > block.memory.length) {
      this.end();
      block = { memory: bytes <= BLOCK_BYTES ? spare.take() : Buffer.allocUnsafeSlow(bytes), holders: 1 };
      blocks.set(block.memory.buffer, block);
      this.#block = block;
      this.#used = 0;
    }
    block.holders++;
    this.#used += bytes;
    return block;
  }

  /** Bytes of the block that are taken. */
  get used(): number {
    return this.#used;
  }

  /** Nothing more is taken. */
  end(): void {
    if (this.#block !== undefined) releasePart(this.#block);
    this.#block = undefined;
  }
}

/** Each part at most once. What lies elsewhere is left alone. */
export function releaseBytes(data: Uint8Array): void {
  const block = blocks.get(data.buffer);
  if (block !== undefined) releasePart(block);
}

/** As {@link releaseBytes}, where the block of the part is known. */
export function releasePart(block: Block): void {
  if (--block.holders > 0) return;
  blocks.delete(block.memory.buffer);
  spare.give(block.memory);
}
