import { cbor } from '@smithy/core/cbor';

/** How an answer may be written. */
export const WRITINGS = ['json', 'cbor'] as const;
export type Writing = (typeof WRITINGS)[number];

/**
 * The records of one shard as GetRecords writes them, made beforehand and kept end to end: an answer is one slice, whatever limit was asked.
 */
export class ShardData {
  readonly shard: number;
  readonly #writings: ReadonlyMap<Writing, Written>;
  /** Bytes of data (as quotas count them) of all records up to and with this one. */
  readonly #bytes: number[] = [];
  readonly #arrivals: number[] = [];

  /** @param writings that anyone will ask for: each takes the memory of all records */
  constructor(shard: number, writings: readonly Writing[]) {
    this.shard = shard;
    this.#writings = new Map(writings.map((writing) => [writing, new Written(SEPARATORS[writing])]));
  }

  get records(): number {
    return this.#arrivals.length;
  }

  add(record: ShardRecord): void {
    const sequenceNumber = this.sequenceNumber(this.records);
    for (const [writing, written] of this.#writings) written.add(RENDER[writing](record, sequenceNumber));
    this.#bytes.push((this.#bytes.at(-1) ?? 0) + record.data.byteLength);
    this.#arrivals.push(record.arrivalMs);
  }

  /** 56 digits, as Kinesis's have; ascending. */
  sequenceNumber(position: number): string {
    return `49${String(this.shard).padStart(6, '0')}${String(position).padStart(48, '0')}`;
  }

  /** The inverse of {@link sequenceNumber}. */
  positionOf(sequenceNumber: string): number {
    return Number(sequenceNumber.slice(-15));
  }

  /** The first position that arrived at `ms` or later. */
  positionAt(ms: number): number {
    let low = 0;
    let high = this.records;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#arrivals[middle] ?? Infinity) < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  arrivalMs(position: number): number | undefined {
    return this.#arrivals[position];
  }

  /** Where a page from `from` ends that holds at most so many records and bytes. */
  pageEnd(from: number, limit: number, maxBytes: number, until: number): number {
    const before = from === 0 ? 0 : (this.#bytes[from - 1] ?? 0);
    let end = Math.min(from + limit, until);
    while (end > from + 1 && (this.#bytes[end - 1] ?? 0) - before > maxBytes) end = from + ((end - from) >> 1);
    return end;
  }

  bytes(from: number, to: number): number {
    if (to === 0) return 0;
    return (this.#bytes[to - 1] ?? 0) - (from === 0 ? 0 : (this.#bytes[from - 1] ?? 0));
  }

  /** Items of the array `Records`. A view, not a copy. @throws RangeError where this writing was not wanted */
  written(writing: Writing, from: number, to: number): Buffer {
    const written = this.#writings.get(writing);
    if (written === undefined) throw new RangeError(`The records of this stream are not written in ${writing}.`);
    return written.slice(from, to);
  }
}

interface ShardRecord {
  readonly data: Uint8Array;
  readonly partitionKey: string;
  readonly arrivalMs: number;
}

const RENDER: Readonly<Record<Writing, (record: ShardRecord, sequenceNumber: string) => Uint8Array>> = {
  json: ({ data, partitionKey, arrivalMs }, sequenceNumber) => {
    const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
    return Buffer.from(
      `{"ApproximateArrivalTimestamp":${(arrivalMs / 1000).toFixed(3)},"Data":"${base64}",` +
        `"PartitionKey":${JSON.stringify(partitionKey)},"SequenceNumber":"${sequenceNumber}"}`,
      'latin1',
    );
  },
  cbor: ({ data, partitionKey, arrivalMs }, SequenceNumber) =>
    cbor.serialize({
      ApproximateArrivalTimestamp: arrivalMs,
      Data: data,
      PartitionKey: partitionKey,
      SequenceNumber,
    }),
};

const NOTHING = Buffer.alloc(0);
const SEPARATORS: Readonly<Record<Writing, Uint8Array>> = { json: Buffer.from(','), cbor: NOTHING };

/** Records end to end. */
class Written {
  readonly #separator: Uint8Array;
  #bytes: Buffer = Buffer.alloc(1 << 20);
  #length = 0;
  /** Where each record begins, and ends. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(separator: Uint8Array) {
    this.#separator = separator;
  }

  add(record: Uint8Array): void {
    const separator = this.#separator;
    const start = this.#length === 0 ? 0 : this.#length + separator.length;
    const end = start + record.length;
    while (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    if (start > 0) this.#bytes.set(separator, this.#length);
    this.#bytes.set(record, start);
    this.#length = end;
    this.#starts.push(start);
    this.#ends.push(end);
  }

  slice(from: number, to: number): Buffer {
    if (to <= from) return NOTHING;
    return this.#bytes.subarray(this.#starts[from], this.#ends[to - 1]);
  }
}
