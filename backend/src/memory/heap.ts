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

/** Where the young generation stops growing, in bytes; a step before may take it to twice as much. */
const YOUNG_BYTES = 16 * 1_048_576;

/**
 * Keeps V8's young generation small, for the process. By itself it grows to 128 MiB wherever much is allocated for a moment, and never shrinks
 * under load. What an answer holds lies outside the heap and lives for seconds, so that a large young generation saves nothing; it only leaves
 * more buffers lying about, each of which looks small to the collector. `--max-semi-space-size` would do, but only before the process starts.
 */
export function limitYoungGeneration(): void {
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0;
    if (young < YOUNG_BYTES) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
