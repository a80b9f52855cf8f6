/** Numbers in one slab: more than the 512 KiB from which the image's allocator takes memory from the system, and gives it back at once. */
const SLAB = 131_072;
/** What {@link Slabs} may have taken beyond what they have given, at most, in bytes; and never more than that is. */
export const SLAB_BYTES = SLAB * 8;

/**
 * Makes many arrays of one length, of zeros, in large pieces of memory. Each by itself is too small for the system to get it back when it is
 * free again: a heap of such holes would grow to several times of what is in use.
 */
export class Slabs {
  readonly #length: number;
  readonly #perSlab: number;
  #slab: Float64Array = new Float64Array(0);
  #used = 0;
  #made = 0;

  constructor(length: number) {
    this.#length = length;
    this.#perSlab = Math.max(1, Math.floor(SLAB / Math.max(1, length)));
  }

  /** An array of zeros. A slab has room for as many as were made before, so that at most half of the memory is unused. */
  next(): Float64Array {
    if (this.#used + this.#length > this.#slab.length) {
      this.#slab = new Float64Array(this.#length * Math.min(this.#perSlab, Math.max(1, this.#made)));
      this.#used = 0;
    }
    this.#made++;
    const from = this.#used;
    this.#used += this.#length;
    return this.#slab.subarray(from, this.#used);
  }
}
