import { z } from 'zod';
import { countPoints, listKeys, readArchiveLines, s3Client, type InfluxAccess, type S3Access } from '../stores.ts';
import { grouped, markdownTable } from '../text.ts';

/** Two numbers that must be equal, found by different ways. */
export interface Finding {
  readonly what: string;
  readonly expected: number;
  /** Where the expectation has an upper end: what a producer that lost an answer may have put twice. */
  readonly atMost?: number;
  readonly found: number;
}

/** What the archive holds, read object by object. */
export interface ArchiveTally {
  readonly objects: number;
  readonly lines: number;
  /** Different lines, byte for byte. */
  readonly distinctLines: number;
  readonly rejected: number;
  /** Different events (by eventId), and how many of them name an actor, a receiver, a share: the points there must be. */
  readonly events: number;
  readonly made: number;
  readonly received: number;
  readonly share: number;
}

const named = z.union([z.number(), z.string()]).nullish();
const archived = z.object({ eventId: z.string(), actorId: named, receiverId: named, shareId: named });

export async function tallyArchive(s3: S3Access, bucket: string, prefix: string): Promise<ArchiveTally> {
  const client = s3Client(s3);
  const lines = new Set<string>();
  const events = new Set<string>();
  const counts = { objects: 0, lines: 0, rejected: 0, made: 0, received: 0, share: 0 };
  try {
    for (const key of await listKeys(client, bucket, `${prefix}/`)) {
      const content = await readArchiveLines(client, bucket, key);
      counts.objects++;
      if (key.startsWith(`${prefix}/_rejected/`)) {
        counts.rejected += content.length;
        continue;
      }
      counts.lines += content.length;
      for (const line of content) {
        lines.add(line);
        const event = archived.parse(JSON.parse(line));
        if (events.has(event.eventId)) continue;
        events.add(event.eventId);
        if (event.actorId != null) counts.made++;
        if (event.receiverId != null) counts.received++;
        if (event.shareId != null) counts.share++;
      }
    }
  } finally {
    client.destroy();
  }
  return { ...counts, distinctLines: lines.size, events: events.size };
}

export interface PointTally {
  readonly made: number;
  readonly received: number;
  readonly share: number;
  readonly total: number;
}

export async function tallyPoints(influx: InfluxAccess): Promise<PointTally> {
  const [made, received, share, total] = await Promise.all([
    countPoints(influx, 'interactions_made'),
    countPoints(influx, 'interactions_received'),
    countPoints(influx, 'interactions_share'),
    countTotal(influx),
  ]);
  return { made, received, share, total };
}

/** Events in the bucket of everyone. */
export const countTotal = (influx: InfluxAccess): Promise<number> => countPoints(influx, 'interactions_total');

/** A table of findings; a row whose numbers differ says so. */
export const table = (findings: readonly Finding[]): string =>
  markdownTable(
    ['', 'expected', 'found', ''],
    findings.map((f) => [
      f.what,
      grouped(f.expected),
      grouped(f.found),
      agrees(f) ? 'agrees' : `DIFFERS by ${grouped(f.found - f.expected)}`,
    ]),
    1,
  );

export const agrees = ({ expected, atMost = expected, found }: Finding): boolean =>
  found >= expected && found <= atMost;
