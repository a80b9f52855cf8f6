/** Where long work says what it is doing. */
export interface Progress {
  /** A line that stays. */
  line(text: string): void;
  /**
   * The present state, replaced by the next one. A single line is cut to the width; of several each must fit.
   * @param plain the state as one line, for where it cannot be redrawn
   */
  status(state: string | readonly string[], plain?: string): void;
}

/** A {@link Progress} that fills a terminal. */
export interface Screen extends Progress {
  /** Whether the state is redrawn in place: on a terminal. */
  readonly live: boolean;
  /** Width in characters; 100 where nobody knows. */
  readonly columns: number;
  /** The state that was shown last stays; the next one goes below it. */
  keep(): void;
}

interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** How often a state is written as a line of its own where it cannot be replaced in place. */
const PLAIN_STATUS_MS = 15_000;
const UNKNOWN_COLUMNS = 100;

/**
 * On a terminal the state is redrawn in place; elsewhere (a log file, CI) it is a plain line now and then.
 * @param plainMs time between two of those lines
 */
export function createProgress(stream: ProgressStream, plainMs = PLAIN_STATUS_MS, now = Date.now): Screen {
  const live = stream.isTTY === true;
  let shown = 0;
  let nextPlain = 0;
  // A terminal that does not know its size says 0.
  const columns = (): number => (live && stream.columns) || UNKNOWN_COLUMNS;
  const clear = (): void => {
    if (shown > 0) stream.write(`\x1b[${shown}A\x1b[0J`);
    shown = 0;
  };
  return {
    live,
    get columns() {
      return columns();
    },
    line: (text) => {
      clear();
      stream.write(`${text}\n`);
    },
    status: (state, plain) => {
      if (live) {
        clear();
        const lines = typeof state === 'string' ? [state.slice(0, Math.max(20, columns() - 1))] : state;
        stream.write(lines.map((line) => `${line}\n`).join(''));
        shown = lines.length;
      } else if (now() >= nextPlain) {
        nextPlain = now() + plainMs;
        stream.write(`${plain ?? (typeof state === 'string' ? state : state.join(' '))}\n`);
      }
    },
    keep: () => {
      shown = 0;
    },
  };
}
