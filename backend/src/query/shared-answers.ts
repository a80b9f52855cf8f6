import { UserpulseError } from '../errors.ts';
import type { Claim, QueryBudget, Spare } from './budget.ts';

export interface SharedAnswersOptions {
  /** How long an answer about a closed range may be given again, in ms; 0: never. */
  readonly keepMs: number;
  readonly budget: QueryBudget;
  /** Epoch ms. */
  readonly now: () => number;
}

/** A question to InfluxDB. */
export interface Question<T> {
  /** Says all that the answer depends on, and names the kind of answer. */
  readonly key: string;
  /** End of what is asked about, exclusive, epoch ms. */
  readonly toMs: number;
  /** @param claim of whoever asks first: it pays for the read, even where it leaves before the end */
  readonly read: (signal: AbortSignal, claim: Claim) => Promise<T>;
  readonly bytesOf: (value: T) => number;
}

export interface Asker {
  readonly signal: AbortSignal | undefined;
  readonly claim: Claim;
  /** Wants an answer that was read for it alone, after it asked. */
  readonly fresh: boolean;
}

export interface Answer<T> {
  readonly value: T;
  /** ms since its reading began, where it was kept; 0 where it was read for those who ask now. */
  readonly ageMs: number;
}

/** Where answers came from: InfluxDB, a read that was under way for somebody else, or the last seconds. */
export interface AnswerCounts {
  read: number;
  shared: number;
  kept: number;
}

/** A range that ended so long ago is closed: events as late as that are rare. In ms. */
export const CLOSED_AFTER_MS = 3_600_000;
/** A dashboard that refreshes gives up its question and asks it again within this time, in ms. */
const GRACE_MS = 2_000;
/** What kept answers may take of the budget. */
const KEPT_SHARE = 1 / 4;
/** Of a kept answer, beside its value and its key. */
const ENTRY_BYTES = 512;

interface Flight {
  readonly answer: Promise<unknown>;
  readonly stop: AbortController;
  readonly keeps: boolean;
  waiters: number;
  ended: boolean;
  grace: NodeJS.Timeout | undefined;
}

interface KeptAnswer {
  readonly value: unknown;
  readonly beganMs: number;
  readonly untilMs: number;
  readonly bytes: number;
}

/**
 * Questions that several ask at once are asked once, and answers about closed ranges are given again for a short time (docs/adr/0014).
 *
 *   asked ─▶ reading ─▶ answered ─ closed range ─▶ kept ─ time, or room is needed ─▶ forgotten
 *               └─ last asker leaves: a closed range is read to its end and kept; any other is given up unless someone comes within a moment
 */
export class SharedAnswers implements Spare {
  readonly counts: AnswerCounts = { read: 0, shared: 0, kept: 0 };
  readonly #options: SharedAnswersOptions;
  readonly #flights = new Map<string, Flight>();
  /** The oldest first. */
  readonly #kept = new Map<string, KeptAnswer>();
  #bytes = 0;

  constructor(options: SharedAnswersOptions) {
    this.#options = options;
    options.budget.addSpare(this);
  }

  /** Of kept answers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Reads that are under way. */
  get reading(): number {
    return this.#flights.size;
  }

  /** Whether the next to ask shares an answer instead of reading. */
  has(key: string): boolean {
    this.#forgetExpired(this.#options.now());
    return this.#flights.has(key) || this.#kept.has(key);
  }

  /** @throws what the read throws; the signal's reason */
  async ask<T>(question: Question<T>, { signal, claim, fresh }: Asker): Promise<Answer<T>> {
    signal?.throwIfAborted();
    if (fresh) {
      this.counts.read++;
      return { value: await question.read(signal ?? new AbortController().signal, claim), ageMs: 0 };
    }
    const nowMs = this.#options.now();
    this.#forgetExpired(nowMs);
    const kept = this.#kept.get(question.key);
    if (kept !== undefined) {
      this.counts.kept++;
      return { value: kept.value as T, ageMs: Math.max(0, nowMs - kept.beganMs) };
    }
    const running = this.#flights.get(question.key);
    if (running === undefined) this.counts.read++;
    else this.counts.shared++;
    const flight = running ?? this.#start(question, claim, nowMs);
    // The key names the kind of answer, so that all who share it mean the same type.
    return { value: (await this.#wait(flight, signal)) as T, ageMs: 0 };
  }

  free(bytes: number): void {
    let freed = 0;
    for (const [key, { bytes: own }] of this.#kept) {
      if (freed >= bytes) return;
      freed += own;
      this.#forget(key);
    }
  }

  #start<T>(question: Question<T>, claim: Claim, beganMs: number): Flight {
    const { key, toMs } = question;
    const stop = new AbortController();
    const end = claim.work();
    const keeps = this.#options.keepMs > 0 && toMs <= beganMs - CLOSED_AFTER_MS;
    const read = async (): Promise<T> => {
      try {
        const value = await question.read(stop.signal, claim);
        if (keeps) this.#keep(key, value, beganMs, question.bytesOf(value));
        return value;
      } finally {
        flight.ended = true;
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        clearTimeout(flight.grace);
        end();
      }
    };
    // In the next turn, when the flight is known.
    const answer = Promise.resolve().then(read);
    // Nobody may be left to hear of its failure.
    answer.catch(() => undefined);
    const flight: Flight = { answer, stop, keeps, waiters: 0, ended: false, grace: undefined };
    this.#flights.set(key, flight);
    return flight;
  }

  async #wait(flight: Flight, signal: AbortSignal | undefined): Promise<unknown> {
    flight.waiters++;
    clearTimeout(flight.grace);
    try {
      return await untilAborted(flight.answer, signal);
    } finally {
      if (--flight.waiters === 0 && !flight.keeps && !flight.ended)
        flight.grace = setTimeout(() => this.#giveUp(flight), GRACE_MS).unref();
    }
  }

  #giveUp(flight: Flight): void {
    for (const [key, one] of this.#flights) if (one === flight) this.#flights.delete(key);
    flight.stop.abort(new UserpulseError('aborted', 'Nobody waits for the answer any more.'));
  }

  #keep(key: string, value: unknown, beganMs: number, valueBytes: number): void {
    const { budget, keepMs, now } = this.#options;
    const bytes = valueBytes + 2 * key.length + ENTRY_BYTES;
    const most = budget.limits.maxBytes * KEPT_SHARE;
    if (bytes > most) return;
    if (this.#bytes + bytes > most) this.free(this.#bytes + bytes - most);
    // Requests go first.
    if (bytes > budget.free) return;
    this.#kept.set(key, { value, beganMs, untilMs: now() + keepMs, bytes });
    this.#bytes += bytes;
  }

  #forgetExpired(nowMs: number): void {
    for (const [key, { untilMs }] of this.#kept) {
      // All are kept equally long.
      if (untilMs > nowMs) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}

/** @throws what the promise throws; the signal's reason, at once when it is aborted */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
