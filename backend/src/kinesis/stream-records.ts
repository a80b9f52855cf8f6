import type { ArrivedData } from '../event/decode.ts';
import { BlockMemory, releasePart, type Block } from '../memory/blocks.ts';
import { Ints } from '../memory/ints.ts';

/** One record as GetRecords returns it. */
export interface StreamRecord extends ArrivedData {
  readonly partitionKey: string;
  readonly sequenceNumber: string;
}

/**
 * For all pages: records that trickle in, one or two at a time and from many shards, must not hold a block each while the sinks are down. Records
 * that arrived together are released together, whatever their shards.
 */
const memory = new BlockMemory();

/** Where a record lies: its sequence number, its partition key (both UTF-8) and its data, one behind the other. */
interface Columns {
  /** undefined: released */
  readonly blocks: (Block | undefined)[];
  /** In the block: {@link START}, {@link KEY}, {@link DATA} and {@link END} of each record. */
  readonly places: Ints;
  /** ms, more than 32 bits */
  readonly arrivals: number[];
}
const START = 0;
const KEY = 1;
const DATA = 2;
const END = 3;
const PLACES = 4;

/**
 * Records in order, as columns: a few numbers for each, and bytes that lie outside V8's heap. Records wait between stream and archive for longer than
 * small collections are apart, and of an object for each of them (with its texts, its view of the data) every collection until then would move all.
 *
 * Whoever is done with a record releases it, once; see memory/blocks.ts.
 */
export class StreamRecords implements Iterable<StreamRecord> {
  readonly #columns: Columns;
  readonly #from: number;
  readonly length: number;

  /** Made by {@link RecordsBuilder} and {@link slice}. */
  constructor(columns: Columns, from: number, to: number) {
    this.#columns = columns;
    this.#from = from;
    this.length = to - from;
  }

  /** Copies of records that were made elsewhere. */
  static of(records: Iterable<StreamRecord>): StreamRecords {
    const builder = new RecordsBuilder();
    for (const record of records) builder.add(record);
    return builder.records();
  }

  /** A view, until the record is released. @throws RangeError where it is released, or there is none */
  data(at: number): Buffer {
    return this.#block(at).memory.subarray(this.#place(at, DATA), this.#place(at, END));
  }

  /** How many bytes the data has. */
  dataBytes(at: number): number {
    return this.#place(at, END) - this.#place(at, DATA);
  }

  /** ApproximateArrivalTimestamp in ms. */
  arrivalMs(at: number): number {
    return this.#columns.arrivals[this.#from + at] ?? 0;
  }

  /** Whether it has a sequence number. */
  isNumbered(at: number): boolean {
    return this.#place(at, KEY) > this.#place(at, START);
  }

  sequenceNumber(at: number): string {
    return textOf(this.#block(at).memory, this.#place(at, START), this.#place(at, KEY));
  }

  partitionKey(at: number): string {
    return textOf(this.#block(at).memory, this.#place(at, KEY), this.#place(at, DATA));
  }

  record(at: number): StreamRecord {
    return {
      data: this.data(at),
      partitionKey: this.partitionKey(at),
      sequenceNumber: this.sequenceNumber(at),
      approximateArrivalMs: this.arrivalMs(at),
    };
  }

  *[Symbol.iterator](): Generator<StreamRecord, void, void> {
    for (let at = 0; at < this.length; at++) yield this.record(at);
  }

  /** Records `from` to before `to`, themselves and no copies. */
  slice(from: number, to = this.length): StreamRecords {
    return new StreamRecords(this.#columns, this.#from + from, this.#from + to);
  }

  /** Nobody reads the record any more. */
  release(at: number): void {
    const { blocks } = this.#columns;
    const block = blocks[this.#from + at];
    if (block === undefined) return;
    blocks[this.#from + at] = undefined;
    releasePart(block);
  }

  releaseAll(): void {
    for (let at = 0; at < this.length; at++) this.release(at);
  }

  #place(at: number, which: number): number {
    return this.#columns.places.at((this.#from + at) * PLACES + which) ?? 0;
  }

  #block(at: number): Block {
    const block = at < this.length ? this.#columns.blocks[this.#from + at] : undefined;
    if (block === undefined) throw new RangeError(`Record ${at} of ${this.length} is released, or there is none.`);
    return block;
  }
}

/** Gathers records. */
export class RecordsBuilder {
  readonly #columns: Columns = { blocks: [], places: new Ints(), arrivals: [] };

  /**
   * Makes room for the bytes of a record, which the caller writes, one behind the other, into the memory returned: they end at {@link end}.
   * @param arrivalMs ApproximateArrivalTimestamp
   */
  room(sequenceBytes: number, keyBytes: number, dataBytes: number, arrivalMs: number): Buffer {
    const { blocks, places, arrivals } = this.#columns;
    const bytes = sequenceBytes + keyBytes + dataBytes;
    const block = memory.takeIn(bytes);
    const end = memory.used;
    blocks.push(block);
    places.push(end - bytes);
    places.push(end - dataBytes - keyBytes);
    places.push(end - dataBytes);
    places.push(end);
    arrivals.push(arrivalMs);
    return block.memory;
  }

  /** Where the record ends that there is {@link room} for. */
  get end(): number {
    return memory.used;
  }

  /** A copy of a record. */
  add({ data, partitionKey, sequenceNumber, approximateArrivalMs }: StreamRecord): void {
    const into = this.#texts(sequenceNumber, partitionKey, data.byteLength, approximateArrivalMs);
    into.set(data, this.end - data.byteLength);
  }

  /** A record whose data is base64. @throws Error where it is not */
  addBase64(sequenceNumber: string, partitionKey: string, base64: string, approximateArrivalMs: number): void {
    const bytes = bytesOfBase64(base64);
    const into = this.#texts(sequenceNumber, partitionKey, bytes, approximateArrivalMs);
    // Node skips what is not base64, so there would be fewer.
    if (into.write(base64, this.end - bytes, bytes, 'base64') !== bytes) {
      throw new Error('Data in a response of GetRecords is not base64.');
    }
  }

  records(): StreamRecords {
    return new StreamRecords(this.#columns, 0, this.#columns.blocks.length);
  }

  #texts(sequenceNumber: string, partitionKey: string, dataBytes: number, arrivalMs: number): Buffer {
    const sequenceBytes = Buffer.byteLength(sequenceNumber);
    const keyBytes = Buffer.byteLength(partitionKey);
    const into = this.room(sequenceBytes, keyBytes, dataBytes, arrivalMs);
    const start = this.end - dataBytes - keyBytes - sequenceBytes;
    into.write(sequenceNumber, start);
    into.write(partitionKey, start + sequenceBytes);
    return into;
  }
}

/** Number of bytes that valid base64 encodes. */
function bytesOfBase64(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor(((base64.length - padding) * 3) / 4);
}

/** They are short: a loop is cheaper than to ask for isAscii. */
function textOf(bytes: Buffer, from: number, to: number): string {
  let seen = 0;
  for (let at = from; at < to; at++) seen |= bytes[at] ?? 0;
  return bytes.toString(seen < 0x80 ? 'latin1' : 'utf8', from, to);
}
