import { pino } from 'pino';
import { systemClock } from '../../backend/src/clock.ts';
import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { InfluxSink } from '../../backend/src/influx/influx-sink.ts';
import type { PointSink } from '../../backend/src/influx/point-sink.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import { BUCKET_ROLES, type BucketRole, type Schema } from '../../backend/src/schema/buckets.ts';
import { baseOffset } from '../../backend/src/schema/identity.ts';
import { LineBlock } from '../../backend/src/schema/line-block.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import { variableSecret } from '../../backend/src/secrets.ts';
import { createBuckets, parts } from './parts.ts';

/** Fresh buckets of the local influxd, and the product's own reader and sink for them. */
export async function openInflux(name: string) {
  const schema: Schema = {
    buckets: await createBuckets(name),
    userPrefix: { by: 'first', length: 4 },
    sharePrefix: { by: 'first', length: 6 },
  };
  const { url, org, token } = parts().influx;
  const target = { host: url, org, token: variableSecret('INFLUX_TOKEN', token) };
  const ignored = (): undefined => undefined;
  const sink = new InfluxSink({
    target,
    buckets: schema.buckets,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    connections: 4,
    onRetry: ignored,
    onAnswer: ignored,
    onExpired: ignored,
  });
  return { schema, target, sink, reader: new HttpInfluxReader({ ...target, timeoutMs: 30_000 }) };
}

/** A sink that others may close while this one stays open. */
export const staysOpen = (sink: PointSink): PointSink => ({
  write: (...given) => sink.write(...given),
  troubleSinceMs: undefined,
  close: () => Promise.resolve(),
});

/** The points of events, each at its own offset. */
export function linesOf(events: readonly InteractionEvent[], schema: Schema): (readonly [BucketRole, LineBlock])[] {
  const lines = new Map<BucketRole, LineBlock>(BUCKET_ROLES.map((role) => [role, new LineBlock()]));
  for (const event of events)
    for (const point of pointsOf(event, schema))
      lines.get(point.role)?.push(renderLine(point, baseOffset(event.eventId)));
  return [...lines].filter(([, { length }]) => length > 0);
}
