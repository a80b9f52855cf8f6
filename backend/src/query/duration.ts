import { DAY_MS, HOUR_MS, readDuration, type Duration } from '../../../contract/duration.ts';
import { badRequest } from './validate.ts';

export { DAY_MS, HOUR_MS, WEEK_MS, type Duration } from '../../../contract/duration.ts';

/**
 * Reads a Flux duration literal such as `10m`, `1h30m` or `3mo`.
 * @param name the parameter it came from, for the message
 * @throws UserpulseError bad_request
 */
export function parseDuration(text: string, name: string): Duration {
  const read = readDuration(text, name);
  if ('message' in read) throw badRequest(read);
  return read;
}

/** The shortest usual way to write a duration, for messages and results. Months first, then the largest unit that divides it. */
export function formatDuration(duration: Duration): string {
  switch (duration.kind) {
    case 'months':
      return duration.months % 12 === 0 ? `${duration.months / 12}y` : `${duration.months}mo`;
    case 'ms': {
      for (const [unit, size] of [
        ['d', DAY_MS],
        ['h', HOUR_MS],
        ['m', 60_000],
        ['s', 1000],
      ] as const)
        if (duration.ms % size === 0) return `${duration.ms / size}${unit}`;
      return `${duration.ms}ms`;
    }
    default:
      return duration satisfies never;
  }
}
