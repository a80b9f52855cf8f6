import { UserpulseError } from '../../../backend/src/errors.ts';
import type { BucketRole } from '../../../backend/src/schema/buckets.ts';
import type { LineBlock } from '../../../backend/src/schema/line-block.ts';
import type { CodecName } from '../../../backend/src/archive/codecs.ts';
import type { ArchiveObject, ArchiveWriter } from '../../../backend/src/archive/archive-writer.ts';
import type { PointSink, Refusal } from '../../../backend/src/influx/point-sink.ts';
import type { PointPlace, StoredField, StoredPoints } from '../../../backend/src/influx/stored-points.ts';
import type { PointField } from '../oracle.ts';
import { plainText } from '../plain-text.ts';

export const linesOf = (block: LineBlock): string[] =>
  block.length === 0 ? [] : Buffer.from(block.bytes(0, block.length)).toString('latin1').split('\n');

/** InfluxDB: of points with the same series and time, each field keeps the value that was written last. */
export class ModelInflux implements PointSink {
  readonly points = new Map<BucketRole, Map<string, Map<string, string>>>();
  /** Lines that are refused for good. */
  refuses: (role: BucketRole, line: string) => boolean = () => false;
  /** Resolved before each write: an outage is a promise that waits. */
  gate: () => Promise<void> = () => Promise.resolve();
  writes = 0;
  readonly troubleSinceMs = undefined;

  async write(role: BucketRole, block: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]> {
    await abortable(this.gate(), signal);
    this.writes++;
    const refusals: Refusal[] = [];
    linesOf(block).forEach((line, index) => {
      if (this.refuses(role, line)) refusals.push({ index, reason: 'the model refuses it' });
      else this.apply(role, line);
    });
    return refusals;
  }

  apply(role: BucketRole, line: string): void {
    const [series = '', fields = '', time = ''] = line.split(' ');
    let bucket = this.points.get(role);
    if (bucket === undefined) this.points.set(role, (bucket = new Map<string, Map<string, string>>()));
    const key = `${series} ${time}`;
    let point = bucket.get(key);
    if (point === undefined) bucket.set(key, (point = new Map<string, string>()));
    for (const field of fields.split(',')) {
      const [name = '', value = ''] = field.split('=');
      point.set(name, value);
    }
  }

  /** Fields of all points, as the oracle has them. */
  *fields(role: BucketRole): Generator<PointField> {
    for (const [key, fields] of this.points.get(role) ?? []) {
      const [, prefix, type = '', time = ''] =
        /^interaction(?:,part=\d+)?(?:,prefix=(\w+))?,type=(\w+) (\d+)$/.exec(key) ?? [];
      const at = { type, ms: Number(time.slice(0, -6)), offsetNs: Number(time.slice(-6)) };
      for (const [name, value] of fields) {
        yield { ...at, prefix: prefix ?? '', field: name, value: value.replace(/^"|"$|i$/g, '') };
      }
    }
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }
}

/** The points of a {@link ModelInflux}. */
export class ModelPoints implements StoredPoints {
  readonly #influx: ModelInflux;
  removes = 0;

  constructor(influx: ModelInflux) {
    this.#influx = influx;
  }

  async read(
    role: BucketRole,
    { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
    begin: () => (field: StoredField) => void,
    signal: AbortSignal,
  ): Promise<number> {
    await abortable(Promise.resolve(), signal);
    const onField = begin();
    for (const [key, fields] of this.#influx.points.get(role) ?? []) {
      const [series = '', time = ''] = key.split(' ');
      const ms = Number(time.slice(0, -6));
      if (ms < fromMs || ms >= toMs) continue;
      for (const [field, value] of fields) {
        onField({ series, ms, offsetNs: Number(time.slice(-6)), field, value: value.replace(/^"|"$|i$/g, '') });
      }
    }
    return 0;
  }

  async remove(role: BucketRole, { series, ms, offsetNs }: PointPlace, signal: AbortSignal): Promise<void> {
    await abortable(this.#influx.gate(), signal);
    this.removes++;
    this.#influx.points.get(role)?.delete(`${series} ${ms}${String(offsetNs).padStart(6, '0')}`);
  }
}

export class ModelArchive implements ArchiveWriter {
  /** As a setting has it at the next start. */
  codec: CodecName = 'gzip';
  readonly url = 'model://archive';
  readonly objects = new Map<string, Buffer>();
  gate: () => Promise<void> = () => Promise.resolve();
  /** Told of each object when it takes effect. */
  onPut: (key: string) => void = () => undefined;
  /** Writes of a key that was there already. */
  repeated = 0;
  readonly troubleSinceMs = undefined;

  async put(object: ArchiveObject, signal: AbortSignal): Promise<void> {
    await abortable(this.gate(), signal);
    this.onPut(object.key);
    const content = Buffer.concat(object.chunks);
    const there = this.objects.get(object.key);
    if (there === undefined) this.objects.set(object.key, content);
    else if (!there.equals(content)) throw new UserpulseError('archive_conflict', `${object.key} holds other bytes.`);
    else this.repeated++;
  }

  keysBelow(prefix: string): Promise<readonly string[]> {
    return Promise.resolve([...this.objects.keys()].filter((key) => key.startsWith(prefix)));
  }

  close(): void {
    // Nothing to close.
  }

  lines(kind: 'archive' | 'rejected'): string[] {
    return [...this.objects]
      .filter(([key]) => key.startsWith('_rejected/') === (kind === 'rejected'))
      .flatMap(([key, content]) => plainText(key, content).split('\n').slice(0, -1))
      .sort();
  }
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        abort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', abort, { once: true });
      }),
    ]);
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}
