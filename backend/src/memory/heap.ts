import { setFlagsFromString } from 'node:v8';

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
