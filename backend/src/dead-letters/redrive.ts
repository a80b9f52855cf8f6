import type { StoredDeadLetter } from '../archive/dead-letter.ts';
import { decodeRecord, type DecodeSettings } from '../event/decode.ts';
import type { Sender } from '../kinesis/sender.ts';
import { dataOf } from './find-dead-letters.ts';

export interface RedriveStats {
  /** Sent, or on a dry run: would be sent. */
  sent: number;
  /** Would be rejected again as they are, by code. */
  readonly stillInvalid: Map<string, { deadLetters: number; readonly example: string }>;
}

/**
 * Sends the original bytes of dead letters to the stream again, as new records. What would be rejected again is not sent; what is sent are dead
 * letters whose reason is gone: time has passed, InfluxDB now accepts the point, the bytes were corrected, this version accepts them.
 *
 * @param options.sender absent: nothing is sent
 */
export async function redrive(
  deadLetters: AsyncIterable<StoredDeadLetter>,
  options: {
    readonly sender: Sender | undefined;
    readonly decoding: DecodeSettings;
    readonly nowMs: () => number;
    readonly onDeadLetter: () => void;
  },
  stats: RedriveStats,
): Promise<void> {
  const { sender, decoding, nowMs, onDeadLetter } = options;
  for await (const deadLetter of deadLetters) {
    const data = dataOf(deadLetter);
    const rejection = rejectionNow(data, decoding, nowMs());
    if (rejection === undefined) {
      await sender?.add({
        data,
        partitionKey: deadLetter.partitionKey,
        explicitHashKey: undefined,
        counts: { events: 1, repeats: 0, invalid: 0 },
      });
      stats.sent++;
    } else {
      const seen = stats.stillInvalid.get(rejection.code);
      if (seen === undefined) stats.stillInvalid.set(rejection.code, { deadLetters: 1, example: rejection.reason });
      else seen.deadLetters++;
    }
    onDeadLetter();
  }
  await sender?.finish();
}

/** Why these bytes would be rejected if they arrived now. Of a record of several: why one of its events would be. */
function rejectionNow(
  data: Uint8Array,
  decoding: DecodeSettings,
  nowMs: number,
): { readonly code: string; readonly reason: string } | undefined {
  const { items } = decodeRecord({ data, approximateArrivalMs: nowMs }, decoding);
  return items.find((item) => item.kind === 'rejection');
}
