import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * How much V8's heap and what hangs on it (buffers) may grow beyond what was alive at the last full collection before the next one begins, in
 * percent. V8 itself waits for two to four times as much, which is right for a heap that is the program's memory. Of ingest's, most is on its way
 * through: what waits between stream and archive outlives every small collection, and is garbage half a second later.
 * Measured: docs/faults.md.
 */
const GROWING_PERCENT = 45;

/** For the process; at any time. Another engine than V8 11 to 13 may not know the flag, and then passes over it. */
export function limitHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}

/**
 * Where a young generation that is kept small stops growing, in bytes of both its halves; its last step may take it to twice as much. V8 by itself
 * lets it grow to 128 MiB where much is allocated for a moment, and holds on to what it has had.
 */
export const YOUNG_BYTES = {
  /**
   * What an answer takes lies outside the heap and lives for seconds, so that large answers gain nothing by more; but small ones, as those of a
   * dashboard that is refreshed, cost a tenth less than at a quarter of it. Measured: make serve-memory, docs/adr/0024-kept-hours.md.
   */
  serve: 16 * 1_048_576,
  /**
   * Halves of 8 MiB: from there on more of it saves no CPU, because what outlives a collection are the records that wait for InfluxDB, and those
   * outlive a larger one, too. Measured: docs/adr/0022-ingest-cost.md.
   */
  ingest: 16 * 1_048_576,
} as const;

/** Whether, and by how much, V8's young generation grows when much of it is in use; bin/userpulse.js forbids it while the program is loaded. */
const setGrowth = (factor: 1 | 2): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`);

/** Lets V8's young generation grow as V8 does by itself. */
export const letYoungGenerationGrow = (): void => setGrowth(2);

/**
 * Keeps V8's young generation small, for the process. `--max-semi-space-size` would do, but only before the process starts.
 * @param bytes one of {@link YOUNG_BYTES}
 */
export function keepYoungGenerationSmall(bytes: number): void {
  setGrowth(2);
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0;
    if (young < bytes) return;
    setGrowth(1);
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
