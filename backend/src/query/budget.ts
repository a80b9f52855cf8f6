import { UserpulseError } from '../errors.ts';
import { WaitingLine } from '../waiting-line.ts';

export interface BudgetLimits {
  /** Bytes that all running requests, live streams and kept answers may take together. */
  readonly maxBytes: number;
  /** Requests that run at once. */
  readonly running: number;
  /** Requests that wait for their turn; the next one is refused. */
  readonly waiting: number;
  /** Longest time a request waits for its turn, in ms. */
  readonly waitMs: number;
}

/** Memory that is used while nobody needs it: kept answers. */
export interface Spare {
  readonly bytes: number;
  /** Gives up at least so many bytes, at once, or all there are. */
  free(bytes: number): void;
}

/** Why requests were refused. */
export interface Refused {
  /** It alone would take more than all there is (413). */
  tooLarge: number;
  /** Others take it now (429). */
  busy: number;
}

/**
 * The one limit on queries: how many run at once, and how many bytes they, their answers and live streams hold. A request says before it runs
 * what it will take at most; one that does not fit waits in line, in the order of arrival, and for a bounded time. The line is bounded too: a
 * longer one would only make all of them slower.
 *
 *   claim() ─ admit ─▶ waiting ─▶ running ─ worked ─▶ being sent ─ release ─▶ gone
 *                        └─ refused (413 at once; 429 when the line is full or the time is up)
 */
export class QueryBudget {
  readonly limits: BudgetLimits;
  readonly refused: Refused = { tooLarge: 0, busy: 0 };
  readonly #line = new WaitingLine<number>();
  #running = 0;
  #bytes = 0;
  readonly #spare: Spare[] = [];

  constructor(limits: BudgetLimits) {
    this.limits = limits;
  }

  /** Bytes in the hands of requests and live streams, {@link Spare} not among them. */
  get bytes(): number {
    return this.#bytes;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** What may be freed where a request needs the room; what was named first goes first. */
  addSpare(spare: Spare): void {
    this.#spare.push(spare);
  }

  /** Bytes that nobody uses, not even as spare. */
  get free(): number {
    return this.limits.maxBytes - this.#bytes - this.#spare.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** A claim of nothing yet. */
  claim(): Claim {
    return new Claim({
      admit: (bytes, signal) => this.#admit(bytes, signal),
      grow: (bytes, held) => this.#grow(bytes, held),
      give: (bytes, places) => this.#give(bytes, places),
    });
  }

  async #admit(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (bytes > this.limits.maxBytes) throw this.#tooLarge(bytes);
    if (this.#line.length === 0 && this.#fits(bytes)) {
      this.#take(bytes);
      return;
    }
    if (this.#line.length >= this.limits.waiting) throw this.#busy();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(this.#busy()), this.limits.waitMs);
    try {
      // Whoever lets it go on has taken the bytes for it, so that nobody can slip in between.
      await this.#line.wait(bytes, signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
    } catch (error) {
      // The one who left may have been all that kept smaller ones behind it from going on.
      this.#grant();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Those who hold something already do not stand in line: they could wait for each other for ever. */
  #grow(bytes: number, held: number): void {
    if (held + bytes > this.limits.maxBytes) throw this.#tooLarge(held + bytes);
    if (this.#bytes + bytes > this.limits.maxBytes) throw this.#busy();
    this.#hold(bytes);
  }

  #give(bytes: number, places: number): void {
    this.#bytes -= bytes;
    this.#running -= places;
    this.#grant();
  }

  #fits(bytes: number): boolean {
    return this.#running < this.limits.running && this.#bytes + bytes <= this.limits.maxBytes;
  }

  #take(bytes: number): void {
    this.#running++;
    this.#hold(bytes);
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    for (const spare of this.#spare) {
      if (this.free >= 0) return;
      spare.free(-this.free);
    }
  }

  #grant(): void {
    for (let bytes = this.#line.first; bytes !== undefined && this.#fits(bytes); bytes = this.#line.first) {
      this.#take(bytes);
      this.#line.next();
    }
  }

  #tooLarge(bytes: number): UserpulseError {
    this.refused.tooLarge++;
    return new UserpulseError(
      'answer_too_large',
      `This would take up to ${mebibytes(bytes)} of the server's memory, and all queries together have ${mebibytes(this.limits.maxBytes)}.`,
      {
        hint: 'Use a shorter range, a longer every, fewer ids or named types, or ask for fewer queries at a time; or raise USERPULSE_QUERY_MAX_BYTES.',
      },
    );
  }

  #busy(): UserpulseError {
    this.refused.busy++;
    const { maxBytes } = this.limits;
    return new UserpulseError(
      'overloaded',
      `The server is busy: ${this.#running} queries are running and ${this.waiting} are waiting, with ${mebibytes(this.#bytes)} of ${mebibytes(maxBytes)} of memory in use.`,
      { hint: 'Try again in a moment, or ask for less at a time.' },
    );
  }
}

/** Whole MiB, at least 1: a message about memory is no place for digits. */
const mebibytes = (bytes: number): string => `${Math.max(1, Math.ceil(bytes / 1_048_576)).toLocaleString('en-US')} MiB`;

/** Without limits: for those who ask from within the process. */
export const unlimitedBudget = (): QueryBudget =>
  new QueryBudget({ maxBytes: Infinity, running: Infinity, waiting: 0, waitMs: 0 });

interface Source {
  admit(bytes: number, signal: AbortSignal | undefined): Promise<void>;
  grow(bytes: number, held: number): void;
  give(bytes: number, places: number): void;
}

/**
 * What one request holds: a place among those that run, until its work has ended, and bytes, until its answer has been sent as well. Work that
 * outlives the request (a read that others wait for) keeps both.
 */
export class Claim {
  readonly #from: Source;
  #bytes = 0;
  #places = 0;
  #working = 0;
  #released = false;

  /** Made by {@link QueryBudget} only. */
  constructor(from: Source) {
    this.#from = from;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a place and bytes, once, waiting in line for them.
   * @throws UserpulseError answer_too_large, overloaded; the signal's reason where it is aborted while waiting
   */
  async admit(bytes: number, signal?: AbortSignal): Promise<void> {
    const needed = Math.ceil(bytes);
    await this.#from.admit(needed, signal);
    this.#places = 1;
    this.#bytes += needed;
    // Nothing releases it again where the client left in the same moment.
    if (this.#released) this.#settle();
  }

  /** Takes more at once. @throws UserpulseError answer_too_large, overloaded; nothing has changed then */
  grow(bytes: number): void {
    this.#from.grow(bytes, this.#bytes);
    this.#bytes += bytes;
  }

  /** Gives back what has turned out not to be needed. */
  shrink(bytes: number): void {
    const given = Math.min(Math.max(0, Math.floor(bytes)), this.#bytes);
    this.#bytes -= given;
    if (given > 0) this.#from.give(given, 0);
  }

  /** Begins a piece of work. @returns ends it; harmless when called again */
  work(): () => void {
    this.#working++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#working--;
      this.#settle();
    };
  }

  /** The answer has been sent, or nobody wants it any more. Harmless when called again. */
  release(): void {
    this.#released = true;
    this.#settle();
  }

  #settle(): void {
    if (this.#working > 0) return;
    const bytes = this.#released ? this.#bytes : 0;
    const places = this.#places;
    this.#places = 0;
    this.#bytes -= bytes;
    if (bytes > 0 || places > 0) this.#from.give(bytes, places);
  }
}
