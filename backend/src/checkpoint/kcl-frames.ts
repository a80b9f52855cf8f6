/*
 * The frames between ingest and the lease program, in both directions: length of what follows (u32), type (u8), handle of a lease (u32, 0 where it is
 * about none), and texts, each as its length in bytes (u32) and UTF-8. Numbers are big-endian. leases/src/main/java/userpulse/leases/Frames.java is
 * the other side.
 */

/** What the frames mean; raised when that changes, so that a program of another version is refused. */
export const PROTOCOL = '1';

/** To ingest. `ready`: protocol. `given`: shard, checkpoint, state. `result`: id, outcome, reason. */
export const FROM_PROGRAM = { ready: 1, given: 2, lost: 3, wanted: 4, ended: 5, result: 6, echo: 7 } as const;
/** From ingest. `save`: id, state. `end`: of each child its id, its parents with commas between them, and both ends of its hash keys. */
export const TO_PROGRAM = { save: 1, end: 2, release: 3, shutdown: 4, alive: 5 } as const;

export interface Frame {
  readonly type: number;
  readonly handle: number;
  readonly texts: readonly string[];
}

/** Far above any state: a DynamoDB item has at most 400 KB. */
const MOST_BYTES = 1 << 20;
/** Type and handle. */
const HEAD_BYTES = 5;

export function encodeFrame({ type, handle, texts }: Frame): Buffer {
  const bodies = texts.map((text) => Buffer.from(text, 'utf8'));
  const length = HEAD_BYTES + bodies.reduce((all, body) => all + 4 + body.length, 0);
  const frame = Buffer.alloc(4 + length);
  let at = frame.writeUInt32BE(length);
  at = frame.writeUInt8(type, at);
  at = frame.writeUInt32BE(handle, at);
  for (const body of bodies) {
    at = frame.writeUInt32BE(body.length, at);
    at += body.copy(frame, at);
  }
  return frame;
}

/** Frames out of pieces of any size. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns the frames that this piece completes. @throws Error where the bytes are no frames */
  push(piece: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const frames: Frame[] = [];
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE();
      if (length < HEAD_BYTES || length > MOST_BYTES) throw new Error(`A frame says that it has ${length} bytes.`);
      if (this.#rest.length < 4 + length) break;
      frames.push(decodeFrame(this.#rest.subarray(4, 4 + length)));
      this.#rest = this.#rest.subarray(4 + length);
    }
    return frames;
  }
}

function decodeFrame(body: Buffer): Frame {
  const texts: string[] = [];
  for (let at = HEAD_BYTES; at < body.length;) {
    const start = at + 4;
    const end = start > body.length ? Infinity : start + body.readUInt32BE(at);
    if (end > body.length) throw new Error('A text is longer than its frame.');
    texts.push(body.toString('utf8', start, end));
    at = end;
  }
  return { type: body.readUInt8(), handle: body.readUInt32BE(1), texts };
}
