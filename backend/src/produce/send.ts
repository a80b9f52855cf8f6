import type { Clock } from '../clock.ts';
import type { Busiest } from './busiest.ts';
import type { Packer } from '../kinesis/entry.ts';
import type { Sender } from '../kinesis/sender.ts';
import type { Source } from './source.ts';

export interface SendOptions {
  readonly source: Source;
  readonly packer: Packer;
  readonly sender: Sender;
  readonly busiest: Busiest;
  readonly clock: Clock;
  /** Ends the run after this many records. */
  readonly maxRecords: number;
  /** Ends the run after this time, in ms. */
  readonly maxMs: number;
  /** How long a record may wait to share its call or its aggregate with others, in ms. */
  readonly lingerMs: number;
  /** Ends the run. What was taken from the source is still sent. */
  readonly stop: AbortSignal;
  readonly onProgress: () => void;
}

/** The shortest time worth a timer, in ms. */
const MIN_SLEEP_MS = 5;

/** Sends from the source to the stream until one of the limits. Resolves when everything taken from the source is on the stream. */
export async function send(options: SendOptions): Promise<void> {
  const { source, packer, sender, busiest, clock, maxRecords, maxMs, lingerMs, stop, onProgress } = options;
  const startMs = clock.now();
  let taken = 0;
  let flushedMs = startMs;
  const flush = async (): Promise<void> => {
    for (const entry of packer.rest()) await sender.add(entry);
    await sender.flush();
    flushedMs = clock.now();
  };
  while (taken < maxRecords && !stop.aborted) {
    const nowMs = clock.now();
    if (nowMs - startMs >= maxMs) break;
    const step = await source.next(nowMs);
    if (step.kind === 'end') break;
    if (step.kind === 'record') {
      taken++;
      if (step.record.kind !== 'invalid') busiest.count(step.fields);
      for (const entry of packer.add(step.record)) await sender.add(entry);
    }
    if (nowMs - flushedMs >= lingerMs) {
      await flush();
      onProgress();
    }
    if (step.kind === 'wait') {
      const ms = Math.min(Math.max(step.ms, MIN_SLEEP_MS), lingerMs, startMs + maxMs - nowMs);
      // A stop ends the wait here, and the loop by its condition.
      await clock.sleep(ms, stop).catch(() => undefined);
    }
  }
  await flush();
  await sender.finish();
  onProgress();
}
