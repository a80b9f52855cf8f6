/**
 * The records of one shard as the text that GetRecords answers with, made beforehand and kept end to end: an answer is one slice of it, whatever
 * limit was asked.
 */
export class ShardData {
  readonly shard: number;
  #text: Buffer = Buffer.alloc(1 << 20);
  #length = 0;
  /** End of each record's text. */
  readonly #ends: number[] = [];
  /** Bytes of data (as quotas count them) of all records up to and with this one. */
  readonly #bytes: number[] = [];
  readonly #arrivals: number[] = [];

  constructor(shard: number) {
    this.shard = shard;
  }

  get records(): number {
    return this.#ends.length;
  }

  add(record: { readonly data: Uint8Array; readonly partitionKey: string; readonly arrivalMs: number }): void {
    const { data, partitionKey, arrivalMs } = record;
    const base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
    const text =
      `${this.records === 0 ? '' : ','}{"ApproximateArrivalTimestamp":${(arrivalMs / 1000).toFixed(3)},"Data":"${base64}",` +
      `"PartitionKey":${JSON.stringify(partitionKey)},"SequenceNumber":"${this.sequenceNumber(this.records)}"}`;
    while (this.#length + text.length > this.#text.length) {
      const larger = Buffer.allocUnsafeSlow(this.#text.length * 2);
      this.#text.copy(larger, 0, 0, this.#length);
      this.#text = larger;
    }
    this.#length += this.#text.write(text, this.#length, 'latin1');
    this.#ends.push(this.#length);
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

  /** Members of the JSON array `Records`. A view, not a copy. */
  text(from: number, to: number): Buffer {
    if (to <= from) return Buffer.alloc(0);
    const start = from === 0 ? 0 : (this.#ends[from - 1] ?? 0) + 1;
    return this.#text.subarray(start, this.#ends[to - 1]);
  }
}
