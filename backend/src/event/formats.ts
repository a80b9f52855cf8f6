import { isUtf8 } from 'node:buffer';
import { compressionOf } from './decompress.ts';

/**
 * What a record is that is not JSON. Only for the reasons of dead letters: whoever runs the producer should learn what it sends instead of
 * JSON and what to change, rather than at which byte JSON ends.
 */

const UTF8 = 'Encode it as UTF-8.';
const UNCOMPRESSED = 'Send it uncompressed, or as gzip or zstd with USERPULSE_DECOMPRESS.';

/** Magic numbers, with what they announce and what to do about it. */
const MAGIC: readonly (readonly [bytes: readonly number[], what: string, fix: string])[] = [
  [[0xff, 0xfe, 0, 0], 'UTF-32 (little-endian)', UTF8],
  [[0, 0, 0xfe, 0xff], 'UTF-32 (big-endian)', UTF8],
  [[0xff, 0xfe], 'UTF-16 (little-endian)', UTF8],
  [[0xfe, 0xff], 'UTF-16 (big-endian)', UTF8],
  [[0x7b, 0, 0, 0], 'UTF-32 (little-endian)', UTF8],
  [[0, 0, 0, 0x7b], 'UTF-32 (big-endian)', UTF8],
  [[0x7b, 0], 'UTF-16 (little-endian)', UTF8],
  [[0, 0x7b], 'UTF-16 (big-endian)', UTF8],
  [
    [0xf3, 0x89, 0x9a, 0xc2],
    'a KPL aggregate',
    'Do not compress or nest aggregated records: put the aggregate itself on the stream.',
  ],
  [[0x78, 0x01], 'zlib data', UNCOMPRESSED],
  [[0x78, 0x5e], 'zlib data', UNCOMPRESSED],
  [[0x78, 0x9c], 'zlib data', UNCOMPRESSED],
  [[0x78, 0xda], 'zlib data', UNCOMPRESSED],
  [[0x42, 0x5a, 0x68], 'bzip2 data', UNCOMPRESSED],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], 'xz data', UNCOMPRESSED],
  [[0x04, 0x22, 0x4d, 0x18], 'LZ4 data', UNCOMPRESSED],
  [[0xff, 0x06, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59], 'Snappy data', UNCOMPRESSED],
  [[0x50, 0x4b, 0x03, 0x04], 'a ZIP file', UNCOMPRESSED],
  [[0x50, 0x41, 0x52, 0x31], 'a Parquet file', 'Send JSON.'],
  [[0x4f, 0x62, 0x6a, 0x01], 'an Avro file', 'Send JSON.'],
  [[0x03, 0x00], 'a message of the AWS Glue Schema Registry', 'Send JSON without a schema header.'],
  [[0x03, 0x05], 'a message of the AWS Glue Schema Registry', 'Send JSON without a schema header.'],
];

/**
 * What bytes are, as whole sentences; undefined where they look like no known format.
 * @param what the subject of the sentence: `The record`, `The record, decompressed,`
 */
export function formatProblem(bytes: Uint8Array, what: string): string | undefined {
  const compression = compressionOf(bytes);
  if (compression !== undefined) {
    return `${what} is compressed with ${compression}. Send it uncompressed, or let ingest decompress such records: USERPULSE_DECOMPRESS=${compression}.`;
  }
  const known = MAGIC.find(([magic]) => bytes.length > magic.length && magic.every((byte, i) => bytes[i] === byte));
  if (known !== undefined) return `${what} is ${known[1]}, not JSON in UTF-8. ${known[2]}`;
  // Confluent's wire format: a zero byte, four bytes of a schema's number, and then the message.
  if (bytes[0] === 0 && bytes.length > 5) {
    return `${what} begins with a zero byte, as messages of a schema registry do (Avro or Protobuf). Send JSON without a schema header.`;
  }
  return undefined;
}

/** What a text is that JSON.parse refused, as whole sentences; undefined where its first wrong character says enough. */
export function textProblem(text: string, what: string): string | undefined {
  const start = text.trimStart().slice(0, 200);
  if (start === '[object Object]') {
    return `${what} is "[object Object]": a JavaScript object was turned into a string. Send JSON.stringify(event).`;
  }
  const bytes = /^[A-Za-z0-9+/_-]{16,}={0,2}\s*$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  if (bytes !== undefined && (bytes[0] === 0x7b || bytes[0] === 0x5b || compressionOf(bytes) !== undefined)) {
    return `${what} is base64 of ${compressionOf(bytes) ?? 'JSON'}. Kinesis clients encode data themselves: hand them the bytes.`;
  }
  if (start.startsWith('<')) return `${what} is XML or HTML. Send one JSON object in UTF-8.`;
  if (/^[A-Za-z0-9_.]+=[^&\s]*(?:&[A-Za-z0-9_.]+=[^&\s]*)+$/.test(start)) {
    return `${what} is form data (name=value&…). Send one JSON object in UTF-8.`;
  }
  return undefined;
}

/** Where bytes stop being UTF-8, as whole sentences. */
export function utf8Problem(bytes: Uint8Array, what: string): string {
  const at = firstInvalid(bytes);
  const byte = bytes[at] ?? 0;
  const hex = `0x${byte.toString(16).padStart(2, '0')}`;
  const next = bytes[at + 1] ?? 0;
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
  const why =
    byte === 0xed && next >= 0xa0
      ? 'It is half of a character, as emoji are in CESU-8 and in Java\'s "modified UTF-8". '
      : byte >= 0xc2 && byte <= 0xf4 && at + length > bytes.length
        ? 'It begins a character that is not complete: was the record cut? '
        : 'Is it Latin-1 or Windows-1252? ';
  return `${what} is not UTF-8: byte ${at + 1} is ${hex}. ${why}Send one JSON object in UTF-8 per record.`;
}

/** Index of the first byte of the first sequence that is not UTF-8. Bytes before a place are valid, or not, independently of what follows. */
function firstInvalid(bytes: Uint8Array): number {
  let valid = 0;
  let end = bytes.length;
  // Halve what is in question: `valid` bytes are whole characters, and something before `end` is wrong.
  while (end - valid > 4) {
    let middle = valid + ((end - valid) >> 1);
    // Not inside a character.
    for (let back = 0; back < 3 && ((bytes[middle] ?? 0) & 0xc0) === 0x80; back++) middle--;
    if (middle > valid && isUtf8(bytes.subarray(valid, middle))) valid = middle;
    else if (middle > valid) end = middle;
    else break;
  }
  for (let length = 1; valid < bytes.length; valid += length, length = 1) {
    while (length <= 4 && !isUtf8(bytes.subarray(valid, valid + length))) length++;
    if (length > 4 || valid + length > bytes.length) return valid;
  }
  return valid;
}
