const MAGIC = 0xfd2fb528;
/** https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2: sixteen numbers whose frames hold nothing that belongs to the content. */
const SKIPPABLE = 0x184d2a50;
const CHECKSUM_BYTES = 4;

/** What comes next within a frame. */
type Next = 'magic' | 'skippable' | 'descriptor' | 'block' | 'unknown';

/**
 * Finds where the frames of zstd data end (RFC 8878, section 3.1), without decompressing them. Node's decompressor ends with the first frame, and
 * silently drops what follows it in the same piece of data.
 */
export class ZstdFrames {
  #next: Next = 'magic';
  /** The bytes of what comes next, as far as they are there. */
  readonly #head = Buffer.alloc(8);
  #have = 0;
  #need = 4;
  /** Content that is passed over. */
  #pass = 0;
  #checksum = false;

  /** Whether no frame has begun that has not ended. */
  get between(): boolean {
    return this.#next === 'magic' && this.#have === 0 && this.#pass === 0;
  }

  /** @returns index behind what belongs to the present frame; see {@link between} for whether it has ended there */
  take(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      if (this.#next === 'unknown') return bytes.length;
      if (this.#pass > 0) {
        const step = Math.min(this.#pass, bytes.length - at);
        this.#pass -= step;
        at += step;
      } else {
        this.#head[this.#have++] = bytes[at++] ?? 0;
        if (this.#have === this.#need) this.#read();
      }
      if (this.between) return at;
    }
    return at;
  }

  #expect(next: Next, need: number): void {
    this.#next = next;
    this.#need = need;
    this.#have = 0;
  }

  #read(): void {
    switch (this.#next) {
      case 'magic': {
        const magic = this.#head.readUInt32LE(0);
        if (magic === MAGIC) this.#expect('descriptor', 1);
        // The decompressor says what is wrong with anything else.
        else this.#expect((magic & ~0xf) >>> 0 === SKIPPABLE ? 'skippable' : 'unknown', 4);
        return;
      }
      case 'skippable':
        this.#pass = this.#head.readUInt32LE(0);
        this.#expect('magic', 4);
        return;
      case 'descriptor': {
        const descriptor = this.#head[0] ?? 0;
        const single = (descriptor & 0x20) !== 0;
        this.#checksum = (descriptor & 0x04) !== 0;
        const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
        const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
        this.#pass = (single ? 0 : 1) + dictionary + size;
        this.#expect('block', 3);
        return;
      }
      case 'block': {
        const header = this.#head.readUIntLE(0, 3);
        // A block of one byte that is repeated holds this byte only.
        const content = ((header >> 1) & 3) === 1 ? 1 : header >> 3;
        const last = (header & 1) === 1;
        this.#pass = content + (last && this.#checksum ? CHECKSUM_BYTES : 0);
        if (last) this.#expect('magic', 4);
        else this.#expect('block', 3);
        return;
      }
      default:
        return;
    }
  }
}
