import { decodeRecord } from '../event/decode.ts';
import type { Sender } from '../kinesis/sender.ts';
import { dataOf, type StoredLetter } from './read.ts';

export interface RedriveTally {
  /** Put, or on a dry run: would be put. */
  put: number;
  /** Would be rejected again as they are, by code. */
  readonly stillBad: Map<string, { letters: number; readonly example: string }>;
}

/**
 * Puts the original bytes of dead letters back on the stream, as records of their own: they go all the way again. What would become a
 * dead letter again is left where it is; only a letter whose reason has gone (time has passed, InfluxDB takes the point now, the bytes were mended,
 * this version knows better) is put.
 *
 * @param sender absent: nothing is put
 */
export async function redrive(
  letters: AsyncIterable<StoredLetter>,
  options: {
    readonly sender: Sender | undefined;
    readonly maxAheadMs: number;
    readonly nowMs: () => number;
    readonly onLetter: () => void;
  },
  tally: RedriveTally,
): Promise<void> {
  const { sender, maxAheadMs, nowMs, onLetter } = options;
  for await (const letter of letters) {
    const data = dataOf(letter);
    const rejection = rejectionNow(letter, data, { maxAheadMs, nowMs: nowMs() });
    if (rejection === undefined) {
      await sender?.add({
        data,
        partitionKey: letter.partitionKey,
        explicitHashKey: undefined,
        counts: { events: 1, repeats: 0, invalid: 0 },
      });
      tally.put++;
    } else {
      const seen = tally.stillBad.get(rejection.code);
      if (seen === undefined) tally.stillBad.set(rejection.code, { letters: 1, example: rejection.reason });
      else seen.letters++;
    }
    onLetter();
  }
  await sender?.finish();
}

/** Why these bytes, arriving now, would be rejected; of an aggregated record: why one of its events would. */
function rejectionNow(
  letter: StoredLetter,
  data: Uint8Array,
  rule: { readonly maxAheadMs: number; readonly nowMs: number },
): { readonly code: string; readonly reason: string } | undefined {
  const { partitionKey, sequenceNumber } = letter;
  const { items } = decodeRecord(
    { data, partitionKey, sequenceNumber, approximateArrivalMs: rule.nowMs },
    { maxAheadMs: rule.maxAheadMs },
  );
  return items.find((item) => item.kind === 'rejection');
}
