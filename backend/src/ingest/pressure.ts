/** What a shard holds, in bytes. */
export interface HeldBytes {
  /** In its open archive segment: freed by sealing only. */
  readonly openBytes: number;
  /** Not written to InfluxDB yet, or waiting for a segment: freed when the sinks go on. */
  readonly queuedBytes: number;
  /** A segment is on its way to the archive: freed when that is done; the open one cannot be sealed before. */
  readonly sealing: boolean;
}

/**
 * Which open segment, if any, is sealed before its time because memory is short. Why nobody can wait for ever: whoever waits for room waits for
 * bytes that are queued (the sinks free them), on their way to the archive (it frees them), reserved by a read (it ends), or open; and when
 * only the latter are left the largest is sealed.
 *
 * Above half of the budget the largest is sealed at once, so that reading need not stop for the time of a write.
 * @returns index into `shards`
 */
export function segmentToSeal(
  shards: readonly HeldBytes[],
  budget: { readonly maxBytes: number; readonly waiters: number },
): number | undefined {
  let open = 0;
  let queued = 0;
  let sealing = false;
  let largest: number | undefined;
  let largestBytes = 0;
  shards.forEach((shard, index) => {
    open += shard.openBytes;
    queued += shard.queuedBytes;
    sealing ||= shard.sealing;
    if (!shard.sealing && shard.openBytes > largestBytes) {
      largest = index;
      largestBytes = shard.openBytes;
    }
  });
  const short = open > budget.maxBytes / 2 || (budget.waiters > 0 && queued === 0 && !sealing);
  return short ? largest : undefined;
}
