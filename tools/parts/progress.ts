/** Where long work says what it is doing. */
export interface Progress {
  /** A line that stays. */
  line(text: string): void;
  /** The present state, replaced by the next one. */
  status(text: string): void;
}

interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** How often a state is written as a line of its own where it cannot be replaced in place. */
const PLAIN_STATUS_MS = 15_000;

/** On a terminal the state is one line redrawn in place; elsewhere (a log file, CI) it is a plain line now and then. */
export function createProgress(stream: ProgressStream, now: () => number = Date.now): Progress {
  let statusShown = false;
  let nextPlain = 0;
  const clear = (): void => {
    if (statusShown) stream.write('\r\x1b[2K');
    statusShown = false;
  };
  return {
    line: (text) => {
      clear();
      stream.write(`${text}\n`);
    },
    status: (text) => {
      if (stream.isTTY === true) {
        clear();
        stream.write(text.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
        statusShown = true;
      } else if (now() >= nextPlain) {
        nextPlain = now() + PLAIN_STATUS_MS;
        stream.write(`${text}\n`);
      }
    },
  };
}

/** `75000` → `1 min 15 s` */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
