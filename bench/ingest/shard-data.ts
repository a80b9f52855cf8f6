import { cbor } from '@smithy/core/cbor';

/** How an answer may be written. */
export type Writing = 'json' | 'cbor';

/**
 * The records of one shard as GetRecords writes them, made beforehand and kept end to end: an answer is one slice, whatever limit was asked.
 */
export class ShardData {
  readonly shard: number;
  readonly #writings = { json: new Written(), cbor: new Written() };
  /** Bytes of data (as quotas count them) of all records up to and with this one. */
  readonly #bytes: number[] = [];
  readonly #arrivals: number[] = [];

  constructor(shard: number) {
    this.shard = shard;
  }

  get records(): number {
    return this.#arrivals.length;
  }

  add(record: { readonly data: Uint8Array; readonly partitionKey: string; readonly arrivalMs: number }): void {
    const { data, partitionKey, arrivalMs } = record;
    const SequenceNumber = this.sequenceNumber(this.records);
    const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
    const text =
      `{"ApproximateArrivalTimestamp":${(arrivalMs / 1000).toFixed(3)},"Data":"${base64}",` +
      `"PartitionKey":${JSON.stringify(partitionKey)},"SequenceNumber":"${SequenceNumber}"}`;
    this.#writings.json.add(Buffer.from(text, 'latin1'), COMMA);
    const members = { ApproximateArrivalTimestamp: arrivalMs, Data: data, PartitionKey: partitionKey, SequenceNumber };
    this.#writings.cbor.add(cbor.serialize(members), NOTHING);
    this.#bytes.push((this.#bytes.at(-1) ?? 0) + data.byteLength);
    this.#arrivals.push(arrivalMs);
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

  /** Items of the array `Records`. A view, not a copy. */
  written(writing: Writing, from: number, to: number): Buffer {
    return this.#writings[writing].slice(from, to);
  }
}

const COMMA = Buffer.from(',');
const NOTHING = Buffer.alloc(0);

/** Records end to end. */
class Written {
  #bytes: Buffer = Buffer.alloc(1 << 20);
  #length = 0;
  /** Where each record begins, and ends. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  add(record: Uint8Array, separator: Uint8Array): void {
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
