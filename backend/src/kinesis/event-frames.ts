import { crc32 } from 'node:zlib';

/** Length of the frame, length of its headers, and the checksum of those two: 4 bytes each. */
const PRELUDE_BYTES = 12;

/**
 * Cuts the body of an event stream into its frames. Nothing is asked of the body but what the frame in hand needs, so that its sender waits while
 * nobody takes frames, and the length of a frame is known before its bytes are read.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html describes the format; what is in a frame is the SDK's to read.
 */
export class EventFrames {
  readonly #pull: () => Promise<Buffer | undefined>;
  /** Has arrived, and is not read yet. */
  #rest: Buffer = Buffer.alloc(0);

  /** @param pull the next bytes of the body; undefined at its end */
  constructor(pull: () => Promise<Buffer | undefined>) {
    this.#pull = pull;
  }

  /**
   * Waits for a frame to begin.
   * @returns its length in bytes; undefined where the body has ended
   * @throws Error where what comes is not a frame
   */
  async begin(): Promise<number | undefined> {
    while (this.#rest.length < PRELUDE_BYTES) {
      const chunk = await this.#pull();
      if (chunk === undefined) {
        if (this.#rest.length === 0) return undefined;
        throw truncated();
      }
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    }
    if (crc32(this.#rest.subarray(0, 8)) !== this.#rest.readUInt32BE(8)) {
      throw new Error('What Kinesis sent is not an event stream.');
    }
    return this.#rest.readUInt32BE(0);
  }

  /**
   * Reads the frame that has begun.
   * @param into as many bytes as {@link begin} has said
   * @throws Error where the body ends within it
   */
  async read(into: Buffer): Promise<void> {
    let filled = 0;
    for (;;) {
      const part = this.#rest.subarray(0, into.length - filled);
      part.copy(into, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
      if (filled === into.length) return;
      const chunk = await this.#pull();
      if (chunk === undefined) throw truncated();
      this.#rest = chunk;
    }
  }
}

const truncated = (): Error => new Error('The subscription ended in the middle of an event.');
