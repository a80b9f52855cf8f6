import { RecordsBuilder } from './stream-records.ts';
import { argumentOf, BREAK, endOfHead, endOfItem, INDEFINITE, MAJOR, majorOf, NULL } from './cbor-items.ts';
import { cborObject, readCborRecord } from './cbor-record.ts';
import { appended, responseOf, type GetRecordsResponse, type ResponseReader } from './get-records.ts';

const RECORDS = Buffer.from('Records');

/**
 * Parses a response in CBOR: as the one in JSON, record by record and as it arrives. Data is in it as it was put, so there is nothing to search
 * and nothing to decode.
 */
export class CborResponseReader implements ResponseReader {
  /** What has arrived and is not parsed yet: from the start of a member, or of a record. */
  #memory: Buffer;
  #length = 0;
  #where: 'before' | 'members' | 'records' | 'behind' = 'before';
  /** Members that come yet, and records; {@link INDEFINITE} where a break ends them. */
  #members = 0;
  #left = 0;
  readonly #others: Record<string, unknown> = {};
  readonly #records = new RecordsBuilder();

  /** @param memory free to use until {@link end}; a larger record gets more */
  constructor(memory: Buffer) {
    this.#memory = memory;
  }

  push(chunk: Buffer): void {
    if (this.#length === 0) {
      this.#keep(chunk, this.#scan(chunk));
      return;
    }
    this.#memory = appended(this.#memory, this.#length, chunk);
    const body = this.#memory.subarray(0, this.#length + chunk.length);
    this.#keep(body, this.#scan(body));
  }

  end(): GetRecordsResponse {
    if (this.#where !== 'behind') throw new Error('A response of GetRecords ends too early.');
    return responseOf(this.#records.records(), this.#others);
  }

  #keep(body: Buffer, from: number): void {
    this.#length = body.length - from;
    if (this.#length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(this.#length * 2);
    body.copy(this.#memory, 0, from);
  }

  /** @returns where what is not parsed begins */
  #scan(body: Buffer): number {
    let at = 0;
    while (at < body.length) {
      const next = this.#step(body, at);
      if (next === -1) break;
      at = next;
    }
    return at;
  }

  /** Reads what begins at `at`. @returns where the next thing begins; -1 where this one has not wholly arrived */
  #step(body: Buffer, at: number): number {
    switch (this.#where) {
      case 'before': {
        if (majorOf(body[at] ?? 0) !== MAJOR.map) throw new Error('A response of GetRecords is not a map of CBOR.');
        const next = endOfHead(body, at);
        if (next > body.length) return -1;
        this.#members = argumentOf(body, at);
        this.#where = this.#members === 0 ? 'behind' : 'members';
        return next;
      }
      case 'members':
        if (this.#members === INDEFINITE && body[at] === BREAK) {
          this.#where = 'behind';
          return at + 1;
        }
        return this.#member(body, at);
      case 'records': {
        if (this.#left === INDEFINITE && body[at] === BREAK) {
          this.#memberRead();
          return at + 1;
        }
        const next = endOfItem(body, at, body.length);
        if (next === -1) return -1;
        readCborRecord(body, at, next, this.#records);
        if (--this.#left === 0) this.#memberRead();
        return next;
      }
      case 'behind':
        throw new Error('A response of GetRecords goes on behind its end.');
      default:
        return this.#where satisfies never;
    }
  }

  #member(body: Buffer, at: number): number {
    const value = endOfItem(body, at, body.length);
    if (value === -1 || value === body.length) return -1;
    const name = endOfHead(body, at);
    if (body.compare(RECORDS, 0, RECORDS.length, name, value) === 0 && body[value] !== NULL) {
      if (majorOf(body[value] ?? 0) !== MAJOR.array) {
        throw new Error('Records in a response of GetRecords is not an array.');
      }
      const next = endOfHead(body, value);
      if (next > body.length) return -1;
      this.#left = argumentOf(body, value);
      if (this.#left === 0) this.#memberRead();
      else this.#where = 'records';
      return next;
    }
    const next = endOfItem(body, value, body.length);
    if (next === -1) return -1;
    Object.assign(this.#others, cborObject(Buffer.concat([MAP_OF_ONE, body.subarray(at, next)])));
    this.#memberRead();
    return next;
  }

  #memberRead(): void {
    this.#where = --this.#members === 0 ? 'behind' : 'members';
  }
}

const MAP_OF_ONE = Buffer.of(0xa1);
