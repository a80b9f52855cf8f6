import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { ErasureKey } from '../erasure/erasure-key.ts';

const place = z.strictObject({ removed: z.number(), rewritten: z.number() });
const reportSchema = z.strictObject({
  version: z.literal(1),
  program: z.string(),
  subject: z.strictObject({ kind: z.enum(['user', 'share']), id: z.string() }),
  replacement: z.enum(['nobody', 'pseudonym']),
  startedAt: z.string(),
  finishedAt: z.string(),
  influxdb: z.strictObject({
    host: z.string(),
    org: z.string(),
    /** By bucket: points that were about the subject, and points of others that named them. */
    points: z.record(z.string(), place),
    /** Hours in which points changed. */
    hours: z.number(),
    /** Points that still named the subject afterwards. */
    left: z.number(),
  }),
  archive: z.strictObject({
    url: z.string(),
    /** Lines that were rewritten. */
    events: z.number(),
    rejected: z.number(),
    tableRows: z.number(),
    /** Lines that still have the id: in further fields of the producer, or unreadable. */
    left: z.number(),
  }),
  /** What may still name the subject, and where this program cannot reach. */
  notReached: z.array(z.string()),
});
export type ErasureReport = z.infer<typeof reportSchema>;

const signedSchema = z.strictObject({
  report: reportSchema,
  /** Ed25519, DER (SPKI), base64. */
  publicKey: z.base64(),
  /** Of the report as JSON without white space, its members in the order in which they stand here; base64. */
  signature: z.base64(),
});
export type SignedReport = z.infer<typeof signedSchema>;

export const NOT_REACHED: readonly string[] = [
  'Records on the Kinesis stream, until its retention ends.',
  'Backups and snapshots of InfluxDB, of the archive, and of the disks below them.',
  'Earlier versions of objects, if the archive is an S3 bucket with versioning, replication or Object Lock.',
  'The disk of InfluxDB: what is deleted or overwritten leaves its files when it compacts them.',
  'Answers that serve keeps in memory (USERPULSE_CACHE_MS, 30 seconds), and caches, snapshots and exports of Grafana.',
  'Logs of producers, proxies and Grafana, and names of dashboards and variables that people have saved.',
];

/** In the order of the schema. */
const bytesOf = (report: ErasureReport): Buffer => Buffer.from(JSON.stringify(reportSchema.parse(report)));

export function signReport(report: ErasureReport, key: ErasureKey): SignedReport {
  return {
    report,
    publicKey: spki(key.verifying),
    signature: sign(null, bytesOf(report), key.signing).toString('base64'),
  };
}

const spki = (key: KeyObject): string => key.export({ format: 'der', type: 'spki' }).toString('base64');

/**
 * Whether a report is as it was signed, and with this key.
 * @throws Error where it is no report
 */
export function verifyReport(text: string, key: ErasureKey): 'valid' | 'changed' | 'other_key' {
  const raw: unknown = JSON.parse(text);
  const { report, publicKey, signature } = signedSchema.parse(raw);
  const by = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  if (!verify(null, bytesOf(report), by, Buffer.from(signature, 'base64'))) return 'changed';
  return spki(key.verifying) === publicKey ? 'valid' : 'other_key';
}
