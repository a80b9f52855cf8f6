/** Of a page that holds a record or two, there may be thousands. */
const FIRST_CAPACITY = 16;

/**
 * Numbers of 32 bits in order, in memory that is kept when they are cleared. A list of JavaScript that is filled again and again leaves two to three times
 * what it holds behind each time: its memory before each growth, and all of it at the end.
 */
export class Ints {
  #words = new Int32Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param value a whole number, -2^31 to 2^31-1 */
  push(value: number): void {
    if (this.#length === this.#words.length) this.#grow();
    this.#words[this.#length++] = value;
  }

  /** undefined: there are not so many */
  at(index: number): number | undefined {
    return index < this.#length ? this.#words[index] : undefined;
  }

  clear(): void {
    this.#length = 0;
  }

  #grow(): void {
    const larger = new Int32Array(Math.max(FIRST_CAPACITY, this.#words.length * 2));
    larger.set(this.#words);
    this.#words = larger;
  }
}
