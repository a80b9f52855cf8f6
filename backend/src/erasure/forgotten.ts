import type { ArchiveReader } from '../archive/archive-reader.ts';
import type { ArchiveWriter } from '../archive/archive-writer.ts';
import { CODECS, DEFAULT_CODEC } from '../archive/codecs.ts';
import { UserpulseError } from '../errors.ts';
import type { Erase } from '../event/parse.ts';
import { ID_KIND_NAMES, type IdFormats, type IdKind } from '../../../contract/ids.ts';
import type { ErasureKey } from './erasure-key.ts';
import { eraseEvent, REPLACEMENTS, replacementOf, type Replacement, type Subject } from './erase-event.ts';

/*
 * Who has been forgotten: an object of the archive for each, below `_control/forgotten/`. Its key says all: what the hash was made with, the kind of
 * the id, the hash, and what took the id's place. So the whole list is read by listing, and nobody who lacks the key learns an id from it.
 */

const FOLDER = '_control/forgotten';
const KEY = new RegExp(`^${FOLDER}/([0-9a-f]{16})-(\\w+)-([0-9a-f]{64})-(\\w+)\\.ndjson\\.\\w+$`);
/** Ids whose answer is remembered. */
const REMEMBERED = 65_536;

/** Who has been forgotten, by kind and hash of the id. */
export class Forgotten {
  readonly #key: ErasureKey;
  readonly #byHash: ReadonlyMap<string, Replacement>;
  readonly #ids: IdFormats;
  readonly #known = new Map<string, string | undefined>();

  constructor(key: ErasureKey, byHash: ReadonlyMap<string, Replacement>, ids: IdFormats) {
    this.#ids = ids;
    this.#key = key;
    this.#byHash = byHash;
  }

  get size(): number {
    return this.#byHash.size;
  }

  /** What took the place of an id; undefined where it has not been forgotten. */
  of({ kind, id }: Subject): Replacement | undefined {
    return this.#byHash.get(entryOf(kind, this.#key.hashOf(kind, id)));
  }

  /** As "userpulse forget" would erase an archived event. */
  readonly erase: Erase = (event) => eraseEvent(event, (kind, id) => this.#replace(kind, id), this.#key);

  /** Most ids come again and again, and a hash costs as much as the rest of an event. */
  #replace(kind: IdKind, id: string): string | undefined {
    const name = `${kind} ${id}`;
    if (this.#known.has(name)) return this.#known.get(name);
    const replacement = this.of({ kind, id });
    const text = replacement && replacementOf({ kind, id }, replacement, this.#key, this.#ids);
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(name, text);
    return text;
  }
}

const entryOf = (kind: IdKind, hash: string): string => `${kind}-${hash}`;

/** @throws UserpulseError of the archive; `config_invalid` where the list was made with another key */
export async function readForgotten(
  reader: ArchiveReader,
  key: ErasureKey,
  ids: IdFormats,
  signal: AbortSignal,
): Promise<Forgotten> {
  const byHash = new Map<string, Replacement>();
  try {
    for await (const object of reader.list(`${FOLDER}/`, `${FOLDER}0`, signal)) {
      const [, fingerprint, kindName, hash, name] = KEY.exec(object.key) ?? [];
      const kind = ID_KIND_NAMES.find((known) => known === kindName);
      const replacement = REPLACEMENTS.find((known) => known === name);
      if (kind === undefined || replacement === undefined || hash === undefined) continue;
      if (fingerprint !== key.fingerprint) {
        throw new UserpulseError(
          'config_invalid',
          `The list of who has been forgotten in ${reader.url} was made with another USERPULSE_ERASURE_KEY.`,
          { hint: 'Use the key that it was made with. Without it nobody can tell who is in the list.' },
        );
      }
      byHash.set(entryOf(kind, hash), replacement);
    }
  } catch (error) {
    // A folder that ingest has not made yet.
    if (!(error instanceof UserpulseError && error.code === 'archive_not_found')) throw error;
  }
  return new Forgotten(key, byHash, ids);
}

/** Adds someone to the list; one who is there already stays. @throws UserpulseError of the archive */
export async function addForgotten(
  writer: ArchiveWriter,
  { kind, id }: Subject,
  replacement: Replacement,
  key: ErasureKey,
  signal: AbortSignal,
): Promise<void> {
  const entry = { version: 1, key: key.fingerprint, kind, hash: key.hashOf(kind, id), replacement };
  const encoder = CODECS[DEFAULT_CODEC].encoder();
  encoder.append(Buffer.from(JSON.stringify(entry)));
  const name = `${FOLDER}/${key.fingerprint}-${entryOf(kind, entry.hash)}-${replacement}${CODECS[DEFAULT_CODEC].extension}`;
  await writer.put({ key: name, codec: DEFAULT_CODEC, ...(await encoder.finish()) }, signal);
}
