import type { ServerResponse } from 'node:http';

/**
 * One server-sent event. JSON holds no line break, so one data line is enough.
 * @param id what a client that lost the connection sends back as Last-Event-ID
 */
export const sseEvent = (name: string, data: unknown, id?: number): string =>
  `event: ${name}\ndata: ${JSON.stringify(data)}\n${id === undefined ? '' : `id: ${id}\n`}\n`;
/** How long (ms) an EventSource waits before it connects again. */
export const sseRetry = (ms: number): string => `retry: ${ms}\n\n`;
/** A comment: clients ignore it, proxies see that the connection lives. */
export const sseComment = (text: string): string => `: ${text}\n\n`;

/** Why a write did not go through. */
export type SseOutcome = 'written' | 'gone' | 'too_slow';

/**
 * Writes text and, where the client's buffers are full, waits until they have drained, `patienceMs` at most. Nothing is ever queued
 * beyond one write, so a client that does not read costs no memory.
 */
export async function sseWrite(
  response: ServerResponse,
  text: string,
  patienceMs: number,
  signal: AbortSignal,
): Promise<SseOutcome> {
  if (response.destroyed || response.writableEnded || signal.aborted) return 'gone';
  if (response.write(text)) return 'written';
  return new Promise<SseOutcome>((resolve) => {
    const end = (outcome: SseOutcome): void => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      response.off('close', onGone);
      signal.removeEventListener('abort', onGone);
      resolve(outcome);
    };
    const onDrain = (): void => end('written');
    const onGone = (): void => end('gone');
    const timer = setTimeout(() => end('too_slow'), patienceMs);
    response.on('drain', onDrain);
    response.on('close', onGone);
    signal.addEventListener('abort', onGone, { once: true });
  });
}
