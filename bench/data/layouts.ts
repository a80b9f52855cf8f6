import { BUCKET_ROLES, type Schema } from '../../backend/src/schema/buckets.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import type { BenchEvent } from './events.ts';

/** A way to lay events out in InfluxDB. */
export interface Layout {
  readonly name: string;
  readonly buckets: readonly string[];
  /** Line protocol of an event for each bucket, in their order; undefined where a bucket does not hold it. */
  readonly lines: (event: BenchEvent) => readonly (string | undefined)[];
}

export const SCHEMA: Schema = {
  buckets: {
    made: 'interactions_made',
    received: 'interactions_received',
    share: 'interactions_share',
    total: 'interactions_total',
  },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

/** Ours, by the very functions that ingest writes with. */
export const PREFIXES: Layout = {
  name: 'prefixes',
  buckets: BUCKET_ROLES.map((role) => SCHEMA.buckets[role]),
  lines: (event) => {
    const points = pointsOf(
      {
        eventId: '',
        type: event.type,
        occurredAtMs: event.ms,
        actorId: String(event.actor),
        receiverId: String(event.receiver),
        shareId: event.share,
      },
      SCHEMA,
    );
    return BUCKET_ROLES.map((role) => {
      const point = points.find((each) => each.role === role);
      return point === undefined ? undefined : renderLine(point, event.offsetNs);
    });
  },
};

// Nanoseconds exceed 2^53: milliseconds and offsetNs are joined as text.
const time = (event: BenchEvent): string => `${event.ms}${String(event.offsetNs).padStart(6, '0')}`;

/** N1, the published failure: one bucket, user and share ids as tags, so that every pair of ids that meets is a series of its own. */
export const ONE_BUCKET: Layout = {
  name: 'one-bucket',
  buckets: ['interactions'],
  lines: (e) => [
    `interaction,${e.share === undefined ? '' : `share=${e.share},`}type=${e.type},user_from=${e.actor},user_to=${e.receiver} n=1i ${time(e)}`,
  ],
};

/** N2: a bucket for each question, its id as a tag. */
export const ID_TAGS: Layout = {
  name: 'id-tags',
  buckets: ['made', 'received', 'share'],
  lines: (e) => [
    `interaction,type=${e.type},user=${e.actor} n=1i ${time(e)}`,
    `interaction,type=${e.type},user=${e.receiver} n=1i ${time(e)}`,
    e.share === undefined ? undefined : `interaction,share=${e.share},type=${e.type} n=1i ${time(e)}`,
  ],
};
