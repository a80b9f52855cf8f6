import type { Generator } from './generator.ts';
import type { Outgoing } from '../kinesis/entry.ts';
import { eventJson, type EventFields } from './event-json.ts';
import type { Pace } from './pace.ts';

/** What a source has at a moment. */
export type Step =
  | { readonly kind: 'record'; readonly record: Outgoing; readonly fields: EventFields }
  /** Nothing is due for so many ms. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'end' };

export interface Source {
  next(nowMs: number): Step | Promise<Step>;
}

/** A generator at a steady rate, or as fast as it is asked where there is no pace. */
export function generatedSource(generator: Generator, pace: Pace | undefined): Source {
  return {
    next: (nowMs) => {
      if (pace !== undefined && pace.due(nowMs) === 0) return { kind: 'wait', ms: pace.untilNext(nowMs) };
      pace?.take(1);
      return { kind: 'record', ...generator.next(nowMs) };
    },
  };
}

/**
 * Events of a file, at `speed` times the speed at which they happened, else at the pace, else as fast as asked.
 * @param events in the order of time
 */
export function replayedSource(
  events: AsyncIterator<EventFields>,
  timing: { readonly speed: number | undefined; readonly pace: Pace | undefined; readonly startMs: number },
): Source {
  const { speed, pace, startMs } = timing;
  let firstMs: number | undefined;
  let ahead: EventFields | undefined;
  return {
    next: async (nowMs) => {
      if (speed === undefined && pace !== undefined && pace.due(nowMs) === 0) {
        return { kind: 'wait', ms: pace.untilNext(nowMs) };
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
      pace?.take(1);
      const record: Outgoing = { data: Buffer.from(eventJson(fields)), partitionKey: fields.actorId, kind: 'event' };
      return { kind: 'record', record, fields };
    },
  };
}

/**
 * How far to move a file's events in time so that its last one happens when it is sent, and none before it has happened:
 * replayed as fast as possible they end now; at speed 1 they begin now. Whole seconds, as the file's times are.
 */
export function shiftToNow(
  span: { readonly firstMs: number; readonly lastMs: number },
  speed: number | undefined,
  nowMs: number,
): number {
  // Slower than life the end would lie in the future for most of the run; then the beginning is moved to now.
  const lastsMs = speed === undefined ? 0 : (span.lastMs - span.firstMs) / Math.max(speed, 1);
  return Math.floor((nowMs + lastsMs - span.lastMs) / 1000) * 1000;
}
