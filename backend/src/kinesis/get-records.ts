import { RecordsBuilder, type StreamRecords } from './stream-records.ts';
import { arrayIn, numberIn, objectOf, recordMembers, stringIn, textOf, type JsonObject } from './api-record.ts';

/** Members named as in the API. */
export interface GetRecordsResponse {
  /** Absent text is empty, and an absent time 0. */
  readonly Records: StreamRecords;
  readonly NextShardIterator: string | undefined;
  readonly MillisBehindLatest: number | undefined;
  /** Given at the end of a shard only. Their members are not read. */
  readonly ChildShards: readonly unknown[];
}

/** Parses the body of a GetRecords response as it arrives. */
export interface ResponseReader {
  /** The next bytes of the body; not kept. @throws Error where it is not such a response */
  push(chunk: Buffer): void;
  /** The body has ended. @throws Error where it is not such a response */
  end(): GetRecordsResponse;
}

/** A response from its records and its other members. @throws Error where one is of another kind than in the API */
export const responseOf = (records: StreamRecords, others: JsonObject): GetRecordsResponse => ({
  Records: records,
  NextShardIterator: stringIn(others, 'NextShardIterator'),
  MillisBehindLatest: numberIn(others, 'MillisBehindLatest'),
  ChildShards: arrayIn(others, 'ChildShards'),
});

/**
 * A chunk behind what has arrived.
 * @param length of what is in the memory already
 * @returns the memory, or a larger one in its place
 */
export function appended(memory: Buffer, length: number, chunk: Buffer): Buffer {
  const needed = length + chunk.length;
  let enough = memory;
  if (needed > memory.length) {
    enough = Buffer.allocUnsafeSlow(needed * 2);
    memory.copy(enough, 0, 0, length);
  }
  chunk.copy(enough, length);
  return enough;
}

/**
 * Parses the body of a GetRecords response at once, or that of a SubscribeToShardEvent, which has the same members but for the iterator; see
 * {@link GetRecordsReader}.
 * @param body used up
 */
export function readGetRecords(body: Buffer): GetRecordsResponse {
  return new GetRecordsReader(body, body.length).end();
}

/**
 * Parses a response in JSON. Record by record, because the text of a whole page is a string of megabytes, which
 * only a full garbage collection frees; and at once, so that of an arriving page only the records are held.
 * https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html#API_GetRecords_ResponseSyntax
 *
 * Only strings and brackets are scanned to find the records in the top-level member `Records`; JSON.parse does the rest.
 */
export class GetRecordsReader implements ResponseReader {
  /** What has arrived and is not parsed yet: from the start of the current record, or of the text outside `Records`. */
  #memory: Buffer;
  #length = 0;
  /** Where scanning continues. */
  #at = 0;
  #depth = 0;
  /** The last string was the name of `Records`. */
  #named = false;
  #where: 'before' | 'in' | 'behind' = 'before';
  /** Where the current record begins; -1: between records. */
  #start = -1;
  #textBefore = '';
  readonly #records = new RecordsBuilder();

  /**
   * @param memory free to use until {@link end}; a larger record gets more
   * @param length of what it holds of the body already
   */
  constructor(memory: Buffer, length = 0) {
    this.#memory = memory;
    this.#length = length;
    this.#scan();
  }

  push(chunk: Buffer): void {
    this.#memory = appended(this.#memory, this.#length, chunk);
    this.#length += chunk.length;
    this.#scan();
  }

  end(): GetRecordsResponse {
    if (this.#where === 'in') throw new Error('A response of GetRecords ends in the middle of its records.');
    const answer = objectOf(this.#textBefore + textOf(this.#memory, 0, this.#length));
    return responseOf(this.#records.records(), answer);
  }

  #scan(): void {
    const body = this.#memory.subarray(0, this.#length);
    let at = this.#at;
    for (; at < body.length && this.#where !== 'behind'; at++) {
      switch (body[at]) {
        case QUOTE: {
          const end = endOfString(body, at);
          if (end === -1) {
            this.#keep(at);
            return;
          }
          this.#named =
            this.#depth === 1 && end - at === NAME.length && body.compare(NAME, 0, NAME.length, at, end) === 0;
          at = end - 1;
          break;
        }
        case 0x5b: // [
          if (this.#named && this.#depth === 1) {
            this.#where = 'in';
            this.#textBefore = `${textOf(body, 0, at)}[]`;
          }
          this.#depth++;
          break;
        case 0x7b: // {
          if (this.#where === 'in' && this.#depth === 2) this.#start = at;
          this.#depth++;
          break;
        case 0x7d: // }
          this.#depth--;
          if (this.#where === 'in' && this.#depth === 2) {
            readRecord(body, this.#start, at + 1, this.#records);
            this.#start = -1;
          }
          break;
        case 0x5d: // ]
          this.#depth--;
          if (this.#where === 'in' && this.#depth === 1) this.#where = 'behind';
          break;
        case COLON:
        case 0x20:
        case 0x09:
        case 0x0a:
        case 0x0d:
          break;
        default:
          this.#named = false;
      }
    }
    this.#keep(at);
  }

  /** Drops what is parsed. Everything before `at` has been scanned. */
  #keep(at: number): void {
    const from = this.#where === 'before' ? 0 : this.#start === -1 ? at : this.#start;
    this.#memory.copyWithin(0, from, this.#length);
    this.#length -= from;
    this.#at = at - from;
    if (this.#start !== -1) this.#start = 0;
  }
}

function readRecord(body: Buffer, start: number, end: number, into: RecordsBuilder): void {
  const { data, partitionKey = '', sequenceNumber = '', arrivalSeconds = 0 } = recordMembers(body, start, end);
  into.addBase64(sequenceNumber, partitionKey, data, Math.round(arrivalSeconds * 1000));
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const NAME = Buffer.from('"Records"');

/** Index after the closing quote of the string that opens at `at`; -1 where it has not arrived yet. */
function endOfString(body: Buffer, at: number): number {
  for (let quote = body.indexOf(QUOTE, at + 1); quote !== -1; quote = body.indexOf(QUOTE, quote + 1)) {
    let backslashes = 0;
    while (body[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return -1;
}
