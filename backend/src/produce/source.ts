import type { Generator } from './generator.ts';
import type { Outgoing } from '../kinesis/entry.ts';
import { eventJson, type EventFields } from './event-json.ts';
import type { SendRate } from './send-rate.ts';

/** What a source offers at a moment. */
export type Step =
  | { readonly kind: 'record'; readonly record: Outgoing; readonly fields: EventFields }
  /** Nothing is due for this many ms. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'end' };

export interface Source {
  next(nowMs: number): Step | Promise<Step>;
}

/** A generator at a steady rate, or without a limit where there is none. */
export function generatedSource(generator: Generator, rate: SendRate | undefined): Source {
  return {
    next: (nowMs) => {
      if (rate !== undefined && rate.due(nowMs) === 0) return { kind: 'wait', ms: rate.untilNext(nowMs) };
      rate?.take(1);
      return { kind: 'record', ...generator.next(nowMs) };
    },
  };
}

/**
 * Events of a file, at `speed` times real time, else at a steady rate, else without a limit.
 * @param events in the order of time
 */
export function replayedSource(
  events: AsyncIterator<EventFields>,
  timing: { readonly speed: number | undefined; readonly rate: SendRate | undefined; readonly startMs: number },
): Source {
  const { speed, rate, startMs } = timing;
  let firstMs: number | undefined;
  let ahead: EventFields | undefined;
  return {
    next: async (nowMs) => {
      if (speed === undefined && rate !== undefined && rate.due(nowMs) === 0) {
        return { kind: 'wait', ms: rate.untilNext(nowMs) };
      }
      if (ahead === undefined) {
        const next = await events.next();
        if (next.done === true) return { kind: 'end' };
        ahead = next.value;
      }
      const fields = ahead;
      firstMs ??= fields.occurredAtMs;
      if (speed !== undefined) {
        const dueMs = startMs + (fields.occurredAtMs - firstMs) / speed;
        if (dueMs > nowMs) return { kind: 'wait', ms: Math.ceil(dueMs - nowMs) };
      }
      ahead = undefined;
      rate?.take(1);
      const record: Outgoing = { data: Buffer.from(eventJson(fields)), partitionKey: fields.actorId, kind: 'event' };
      return { kind: 'record', record, fields };
    },
  };
}

/**
 * How far (ms) to shift a file's events in time so that the last one happens when it is sent, and none is sent before it happens:
 * sent as fast as possible they end now; at speed 1 they begin now. Whole seconds, as the file's times are.
 */
export function shiftToNow(
  span: { readonly firstMs: number; readonly lastMs: number },
  speed: number | undefined,
  nowMs: number,
): number {
  // Below real time the end would lie in the future for most of the run; then the beginning is shifted to now.
  const lastsMs = speed === undefined ? 0 : (span.lastMs - span.firstMs) / Math.max(speed, 1);
  return Math.floor((nowMs + lastsMs - span.lastMs) / 1000) * 1000;
}
