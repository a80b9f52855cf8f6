import { z } from 'zod';
import type { Clock } from '../clock.ts';
import type { BucketNames, BucketRole } from '../schema/buckets.ts';
import { callInflux, type InfluxTarget } from './api.ts';

/** How long an answer of InfluxDB is believed, in ms: retention changes by hand. */
const FRESH_MS = 60_000;
/** A point this close to its end, in ms, counts as expired: InfluxDB's clock moves on while a write is under way. */
const MARGIN_MS = 60_000;

/** https://docs.influxdata.com/influxdb/v2/api/#operation/GetBuckets */
const bucketList = z.object({
  buckets: z.array(z.object({ name: z.string(), retentionRules: z.array(z.object({ everySeconds: z.number() })) })),
});

/** How long InfluxDB keeps the points of each bucket, asked for when a write is refused. */
export class Retention {
  readonly #target: InfluxTarget;
  readonly #buckets: BucketNames;
  readonly #clock: Clock;
  readonly #known = new Map<BucketRole, { readonly everyMs: Promise<number | undefined>; readonly untilMs: number }>();

  constructor(target: InfluxTarget, buckets: BucketNames, clock: Clock) {
    this.#target = target;
    this.#buckets = buckets;
    this.#clock = clock;
  }

  /**
   * The time before which the bucket keeps no points, in ms; -Infinity where it keeps them for ever.
   * @param serverMs time by InfluxDB's clock, which decides
   * @returns undefined where the token may not read the bucket, or InfluxDB does not answer
   */
  async cutoffMs(role: BucketRole, serverMs: number, signal: AbortSignal): Promise<number | undefined> {
    let known = this.#known.get(role);
    if (known === undefined || known.untilMs <= this.#clock.now()) {
      known = { everyMs: this.#ask(role, signal), untilMs: this.#clock.now() + FRESH_MS };
      this.#known.set(role, known);
    }
    const everyMs = await known.everyMs;
    return everyMs === undefined ? undefined : serverMs - everyMs + MARGIN_MS;
  }

  async #ask(role: BucketRole, signal: AbortSignal): Promise<number | undefined> {
    const { org } = this.#target;
    const name = this.#buckets[role];
    try {
      const answer = await callInflux(
        this.#target,
        { method: 'GET', path: 'api/v2/buckets', query: { org, name } },
        signal,
      );
      if (answer.status !== 200) return undefined;
      const bucket = bucketList.parse(JSON.parse(answer.text)).buckets.find((each) => each.name === name);
      if (bucket === undefined) return undefined;
      const seconds = bucket.retentionRules[0]?.everySeconds ?? 0;
      return seconds === 0 ? Infinity : seconds * 1000;
    } catch {
      // The caller can do without; whatever is wrong shows in the next write.
      return undefined;
    }
  }
}
