import { setTimeout as delay } from 'node:timers/promises';

/** Time as ingest sees it. A port, so that tests decide what time it is instead of waiting. */
export interface Clock {
  /** ms since 1970 */
  now(): number;
  /** @throws the signal's reason when it is aborted, at once */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Runs something later, unless cancelled before.
 * @returns cancels; harmless when it has run
 */
export function after(clock: Clock, ms: number, run: () => void): () => void {
  const cancelled = new AbortController();
  clock.sleep(ms, cancelled.signal).then(run, () => undefined);
  return () => cancelled.abort();
}

/** As a call, because the compiler takes the property for a constant, which across an await it is not. */
export const isAborted = (signal: AbortSignal): boolean => signal.aborted;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  },
};
