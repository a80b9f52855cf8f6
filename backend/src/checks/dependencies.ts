import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { InfluxReader } from '../influx/reader.ts';
import type { Schema } from '../schema/buckets.ts';
import { archiveCheck, type ArchiveTarget } from '../archive/archive-check.ts';
import { bucketsCheck, type BucketUse } from '../influx/buckets-check.ts';
import type { Check, CheckDepth } from '../check.ts';
import { checkpointCheck } from '../checkpoint/open-checkpoints.ts';
import type { InfluxTarget } from '../influx/api.ts';
import { influxCheck } from '../influx/influx-check.ts';
import { lagCheck, readingCheck, type ReadingStatus } from './lag.ts';
import { schemeCheck } from './scheme.ts';
import { streamCheck, type StreamTarget } from '../kinesis/stream-check.ts';

/** What a process knows of the installation. `serve` may run without settings for stream and archive; then these are not checked. */
export interface Dependencies {
  readonly influx: InfluxTarget;
  readonly schema: Schema;
  readonly uses: readonly BucketUse[];
  /** Whether the token must allow all of the uses, or any of them. */
  readonly need: 'all' | 'any';
  readonly reader: InfluxReader;
  readonly source?:
    | {
        readonly kinesis: KinesisClient;
        readonly stream: StreamTarget;
        /** USERPULSE_CHECKPOINT; undefined where this process has no access to it. */
        readonly checkpoint: URL | undefined;
        readonly archiveMaxAgeMs: number;
        /** Of an ingest in this process, which knows its lag better than its checkpoint does. */
        readonly reading?: (() => ReadingStatus) | undefined;
      }
    | undefined;
  readonly archive?: ArchiveTarget | undefined;
  /** How far stream, archive and checkpoint are examined. */
  readonly depth: CheckDepth;
}

/** Every check that this process can run, in the order of the report. */
export function dependencyChecks(on: Dependencies): readonly Check[] {
  const checks: Check[] = [
    influxCheck(on.influx),
    bucketsCheck(on.influx, on.schema.buckets, on.uses, on.need),
    schemeCheck(on.reader, on.schema),
  ];
  if (on.source !== undefined) {
    checks.push(streamCheck(on.source.kinesis, on.source.stream, on.depth));
    if (on.source.reading !== undefined) {
      checks.push(readingCheck(on.source.reading));
    } else if (on.source.checkpoint !== undefined) {
      checks.push(
        lagCheck(on.source.kinesis, {
          ...on.source.stream,
          checkpoint: on.source.checkpoint,
          archiveMaxAgeMs: on.source.archiveMaxAgeMs,
        }),
      );
    }
  }
  if (on.archive !== undefined) checks.push(archiveCheck(on.archive, on.depth));
  if (on.source?.checkpoint !== undefined) checks.push(checkpointCheck(on.source.checkpoint, on.depth));
  return checks;
}
