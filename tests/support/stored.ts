import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ALL_DAYS } from '../../backend/src/archive/days.ts';
import { FileArchiveReader } from '../../backend/src/archive/file-reader.ts';
import { TABLE_PREFIX } from '../../backend/src/archive/keys.ts';
import { PROBE_PREFIX } from '../../backend/src/archive/s3-probe.ts';
import type { TableRow } from '../../backend/src/table/columns.ts';
import { findTables } from '../../backend/src/table/find-tables.ts';
import { ROLES, type PointField, type Role } from './oracle.ts';
import { listKeys, parts, readObject } from './parts.ts';
import { plainText } from './plain-text.ts';

/** What the stores hold, read from themselves a piece at a time, so that a million events can be compared in little memory. */

export type ArchivePlace =
  { readonly kind: 'file'; readonly folder: string } | { readonly kind: 's3'; readonly bucket: string };

/** Every field of every interaction's point in a bucket. */
export async function* storedPoints(bucket: string): AsyncGenerator<PointField> {
  const { url, org, token } = parts().influx;
  const answer = await fetch(new URL(`/api/v2/query?org=${encodeURIComponent(org)}`, url), {
    method: 'POST',
    headers: { authorization: `Token ${token}`, 'content-type': 'application/vnd.flux', accept: 'application/csv' },
    body: `from(bucket: ${JSON.stringify(bucket)}) |> range(start: 1970-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)
      |> filter(fn: (r) => r._measurement == "interaction")
      |> drop(columns: ["_start", "_stop", "_measurement"])`,
  });
  if (!answer.ok || answer.body === null) throw new Error(`InfluxDB answered ${answer.status}: ${await answer.text()}`);
  let columns: readonly string[] | undefined;
  for await (const line of linesOf(answer.body)) {
    const cells = line.split(',');
    // An empty line ends a table of other columns; the next line names those.
    if (line === '') columns = undefined;
    else if (columns === undefined) {
      columns = cells;
      if (columns.includes('error')) throw new Error(`InfluxDB could not be read: ${line}`);
    } else {
      const cell = (name: string): string => cells[columns?.indexOf(name) ?? -1] ?? '';
      // 2012-07-01T00:02:52.123456789Z, with as many digits as there are.
      const [seconds = '', fraction = ''] = cell('_time').replace('Z', '').split('.');
      const digits = fraction.padEnd(9, '0');
      yield {
        type: cell('type'),
        prefix: cell('prefix'),
        field: cell('_field'),
        value: cell('_value'),
        ms: Date.parse(`${seconds}Z`) + Number(digits.slice(0, 3)),
        offsetNs: Number(digits.slice(3)),
      };
    }
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  if (rest !== '') yield rest;
}

/** Key and content of every object, dead letters included, in the order of keys. Tables are left out. */
export async function* archiveObjects(place: ArchivePlace): AsyncGenerator<readonly [key: string, content: Buffer]> {
  if (place.kind === 's3') {
    const keys = (await listKeys(place.bucket)).filter((key) => !key.startsWith(`raw/${TABLE_PREFIX}/`));
    // Some at a time: each is small and takes a round trip.
    for (let at = 0; at < keys.length; at += 16) {
      const some = keys.slice(at, at + 16);
      const contents = await Promise.all(some.map((key) => readObject(place.bucket, key)));
      for (const [n, key] of some.entries()) {
        const name = key.replace(/^raw\//, '');
        // A kill while a start tries the bucket leaves what it tried it with, apart from the days (docs/archive.md).
        if (!name.startsWith(PROBE_PREFIX)) yield [name, contents[n] ?? Buffer.alloc(0)];
      }
    }
    return;
  }
  const entries = await readdir(place.folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) {
    const key = path.slice(place.folder.length + 1);
    if (!key.startsWith(`${TABLE_PREFIX}/`)) yield [key, await readFile(path)];
  }
}

export interface StoredLine {
  readonly key: string;
  readonly line: string;
}

export async function* storedLines(place: ArchivePlace, kind: 'archive' | 'rejected'): AsyncGenerator<StoredLine> {
  for await (const [key, content] of archiveObjects(place)) {
    // What the archive says of itself (docs/archive.md).
    if (key.startsWith('_control/')) continue;
    if (key.startsWith('_rejected/') !== (kind === 'rejected')) continue;
    for (const line of plainText(key, content).split('\n').slice(0, -1)) yield { key, line };
  }
}

/** What buckets hold: a text for each field of a point, sorted; with `places`, where it is instead of what it says. */
export async function storedFields(
  buckets: Readonly<Record<Role, string>>,
  what: 'said' | 'places' = 'said',
): Promise<Record<Role, string[]>> {
  const all: Record<Role, string[]> = { made: [], received: [], share: [], total: [] };
  for (const role of ROLES) {
    for await (const { type, prefix, field, value, ms, offsetNs } of storedPoints(buckets[role]))
      all[role].push(`${type} ${prefix} ${field} ${ms} ${what === 'said' ? value : offsetNs}`);
    all[role].sort();
  }
  return all;
}

/** Everything that an archive holds, decompressed, tables as they are. */
export async function everyByte(place: ArchivePlace): Promise<ReadonlyMap<string, Buffer>> {
  const all = new Map<string, Buffer>();
  if (place.kind === 's3') {
    for (const key of await listKeys(place.bucket)) all.set(key, await readObject(place.bucket, key));
  } else {
    for (const entry of await readdir(place.folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) all.set(path.slice(place.folder.length + 1), await readFile(path));
    }
  }
  return new Map(
    [...all].map(([key, bytes]) => [key, /\.ndjson\.(gz|zst)$/.test(key) ? Buffer.from(plainText(key, bytes)) : bytes]),
  );
}

/** Every row of an archive's tables, with the key of its table. */
export async function* tableRows(folder: string): AsyncGenerator<TableRow & { readonly table: string }> {
  const reader = new FileArchiveReader(pathToFileURL(folder));
  for (const { table, object } of (await findTables(reader, ALL_DAYS, new AbortController().signal)).values())
    for (const group of table.groups.keys())
      for (const row of await table.rows(group)) yield { ...row, table: object.key };
}
