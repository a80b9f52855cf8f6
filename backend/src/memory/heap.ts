import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * How much V8's heap and what hangs on it (buffers) may grow beyond what was alive at the last full collection before the next one begins, in
 * percent. V8 itself waits for two to four times as much, which is right for a heap that is the program's memory. Of ingest's, most is on its way
 * through: what waits between stream and archive outlives every small collection, and is garbage half a second later.
 * Measured: docs/faults.md.
 */
const GROWING_PERCENT = 70;

/** For the process; at any time. Another engine than V8 11 to 13 may not know the flag, and then passes over it. */
export function limitHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

/** Where a young generation that is kept small stops growing, in bytes; its last step may take it to twice as much. */
const YOUNG_BYTES = 4 * 1_048_576;

/** Whether, and by how much, V8's young generation grows when much of it is in use; bin/userpulse.js forbids it while the program is loaded. */
const setGrowth = (factor: 1 | 2): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`);

/** Lets V8's young generation grow as V8 does by itself. */
export const letYoungGenerationGrow = (): void => setGrowth(2);

/**
 * Keeps V8's young generation small, for the process. By itself it grows to 128 MiB where much is allocated for a moment, and V8 holds on to what
 * it has had. What an answer takes lies outside the heap and lives for seconds: a large young generation saves nothing, and leaves more buffers
 * lying about, each of which looks small to the collector. `--max-semi-space-size` would do, but only before the process starts. Measured: make
 * serve-memory.
 */
export function keepYoungGenerationSmall(): void {
  setGrowth(2);
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0;
    if (young < YOUNG_BYTES) return;
    setGrowth(1);
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
