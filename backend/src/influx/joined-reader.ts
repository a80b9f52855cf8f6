import { UserpulseError } from '../errors.ts';
import { flux, join, type Flux } from '../flux/literals.ts';
import { ValueReader, type ValueHandler } from './count-reader.ts';
import type { InfluxReader } from './reader.ts';

/** A question whose rows are values, and which may share a script with others. */
export interface JoinableQuestion {
  /** Names what its cost depends on: what took long is asked alone the next time. */
  readonly key: string;
  /** Reads of the storage in its script. */
  readonly streams: number;
  /** @param prefix goes before the name of each of its results */
  readonly script: (prefix: string) => Flux;
  /** Called before the first row, and again where the question is asked anew: forgets what came before. As ValueReader's parameter. */
  readonly begin: () => (result: string, type: string) => ValueHandler;
}

/** How scripts came about, for the metrics. */
export interface JoinedCounts {
  /** Questions that were asked. */
  questions: number;
  /** Scripts that were sent for them. */
  scripts: number;
}

export interface JoinedReaderOptions {
  readonly influx: Pick<InfluxReader, 'bytes'>;
  /** Streams in a script that several questions share; 1: every question has its own, at once. */
  readonly mostStreams: number;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** Streams in a shared script: what more of them save is little, and all wait for the last. */
export const MOST_JOINED_STREAMS = 8;
/** Scripts that run before others wait to be joined: a processor each on the smallest machine there is. */
const RUNNING_ALONE = 2;
/** Turns of the event loop without another question, after which those that wait are sent. A turn in which nothing comes takes microseconds. */
const QUIET_TURNS = 2;
/** A question waits so long at most for others, in ms. */
const WAIT_MS = 10;
/** A shared script that takes longer, in ms, is given up, and each of its questions asked alone. */
const MOST_SHARED_MS = 2_000;
/** A shared script that takes so many times as long as they usually do, and at least {@link SLOW_MS}, holds a slow question. */
const SLOW_TIMES = 4;
const SLOW_MS = 50;
/** Keys of slow questions that are remembered. */
const MOST_SLOW = 1_000;
/** Weight of a script's time in the mean of them all. */
const SHARE_OF_NEWEST = 0.1;

interface Waiting {
  readonly question: JoinableQuestion;
  readonly signal: AbortSignal | undefined;
  readonly sinceMs: number;
  /** Of the running script; undefined where it waits. */
  stop: (() => void) | undefined;
  ended: boolean;
  readonly settle: (error?: Error) => void;
}

/**
 * Questions that arrive while others run go into one script: InfluxDB spends some two milliseconds of CPU on every script before it reads
 * anything (docs/adr/0024-kept-hours.md). Each keeps its own answer, its own error, its own end:
 *
 *   asked ─▶ waiting ─ few run, or enough wait, or time ─▶ in a script ─▶ answered
 *               └─ its caller leaves ─▶ gone                  └─ the script fails, or takes long ─▶ alone ─▶ answered or failed
 */
export class JoinedReader {
  readonly counts: JoinedCounts = { questions: 0, scripts: 0 };
  readonly #influx: Pick<InfluxReader, 'bytes'>;
  readonly #most: number;
  readonly #now: () => number;
  readonly #waiting = new Set<Waiting>();
  /** The oldest first. */
  readonly #slow = new Set<string>();
  #running = 0;
  #usualMs = 0;
  #soon: NodeJS.Immediate | undefined;
  #late: NodeJS.Timeout | undefined;

  constructor({ influx, mostStreams, now = () => performance.now() }: JoinedReaderOptions) {
    this.#influx = influx;
    this.#most = mostStreams;
    this.#now = now;
  }

  /** @throws as InfluxReader.bytes; what the question's handlers throw */
  ask(question: JoinableQuestion, signal: AbortSignal | undefined): Promise<void> {
    this.counts.questions++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        one.settle(new UserpulseError('aborted', 'The query was given up by its caller.', { cause: signal?.reason }));
        this.#waiting.delete(one);
        one.stop?.();
      };
      const one: Waiting = {
        question,
        signal,
        sinceMs: this.#now(),
        stop: undefined,
        ended: false,
        settle: (error) => {
          if (one.ended) return;
          one.ended = true;
          signal?.removeEventListener('abort', leave);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      if (signal?.aborted === true) {
        leave();
        return;
      }
      signal?.addEventListener('abort', leave, { once: true });
      if (question.streams >= this.#most || this.#slow.has(question.key)) void this.#run([one]);
      else {
        this.#waiting.add(one);
        this.#plan();
      }
    });
  }

  #plan(): void {
    if (this.#waiting.size === 0) return;
    // Not at once: what is asked in the same turn, as the panels of one request are, goes together, and so do requests that arrive one upon the other.
    if (this.#isFull() || this.#running < RUNNING_ALONE) this.#gather(QUIET_TURNS);
    else this.#late ??= setTimeout(() => this.#start(), WAIT_MS);
  }

  /** Sends what waits, once it fills a script, or nothing more has come for so many turns of the event loop. */
  #gather(turns: number): void {
    const { size } = this.#waiting;
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      if (turns === 0 || this.#isFull()) this.#start();
      else this.#gather(this.#waiting.size > size ? QUIET_TURNS : turns - 1);
    });
  }

  #isFull(): boolean {
    let streams = 0;
    for (const { question } of this.#waiting) streams += question.streams;
    return streams >= this.#most;
  }

  /** Sends what waits, as much of it as goes into a script. */
  #start(): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#late);
    this.#soon = this.#late = undefined;
    const batch: Waiting[] = [];
    let streams = 0;
    for (const one of this.#waiting) {
      if (batch.length > 0 && streams + one.question.streams > this.#most) break;
      streams += one.question.streams;
      batch.push(one);
      this.#waiting.delete(one);
    }
    if (batch.length > 0) void this.#run(batch);
    this.#plan();
  }

  /** Never rejects: each of the batch hears for itself. */
  async #run(batch: readonly Waiting[]): Promise<void> {
    const beganMs = this.#now();
    this.#running++;
    try {
      await (batch.length === 1 ? this.#alone(batch) : this.#together(batch));
    } finally {
      this.#running--;
      this.#learn(batch, this.#now() - beganMs);
      if (this.#running < RUNNING_ALONE) this.#plan();
    }
  }

  async #alone(batch: readonly Waiting[]): Promise<void> {
    const [one] = batch;
    if (one === undefined || one.ended) return;
    try {
      await this.#send(batch);
      one.settle();
    } catch (error) {
      one.settle(error as Error);
    }
  }

  async #together(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#send(batch, MOST_SHARED_MS);
      for (const one of batch) one.settle();
    } catch {
      // Whose fault it was shows when each is asked for itself.
      await Promise.all(batch.map((one) => this.#alone([one])));
    }
  }

  /** @throws as InfluxReader.bytes */
  async #send(batch: readonly Waiting[], mostMs?: number): Promise<void> {
    this.counts.scripts++;
    const stop = new AbortController();
    const left = (): void => {
      if (batch.every(({ ended }) => ended)) stop.abort();
    };
    for (const one of batch) one.stop = left;
    const timer = mostMs === undefined ? undefined : setTimeout(() => stop.abort(), mostMs);
    const prefixOf = (at: number): string => (batch.length === 1 ? '' : `${at}/`);
    const reader = batch.length === 1 ? readerOfOne(batch) : readerOf(batch, left);
    const spentMs = Math.max(...batch.map(({ sinceMs }) => this.#now() - sinceMs));
    try {
      await this.#influx.bytes(
        join(
          batch.map(({ question }, at) => question.script(prefixOf(at))),
          flux`

`,
        ),
        (chunk) => reader.push(chunk),
        stop.signal,
        spentMs,
      );
      reader.end();
    } finally {
      clearTimeout(timer);
    }
  }

  #learn(batch: readonly Waiting[], ms: number): void {
    const slow = ms > Math.max(SLOW_MS, SLOW_TIMES * this.#usualMs);
    this.#usualMs += (ms - this.#usualMs) * SHARE_OF_NEWEST;
    for (const { question } of batch) {
      this.#slow.delete(question.key);
      if (slow) this.#slow.add(question.key);
    }
    for (const key of this.#slow) {
      if (this.#slow.size <= MOST_SLOW) return;
      this.#slow.delete(key);
    }
  }
}

const IGNORED: ValueHandler = () => true;

function readerOfOne([one]: readonly Waiting[]): ValueReader {
  const seriesOf = one?.question.begin();
  return new ValueReader((result, type) => seriesOf?.(result, type) ?? IGNORED);
}

/** Gives each row to the one it is for; one that cannot take it fails for itself. */
function readerOf(batch: readonly Waiting[], left: () => void): ValueReader {
  const members = batch.map((one) => ({ one, seriesOf: one.question.begin() }));
  return new ValueReader((result, type) => {
    const [, at = '', name = ''] = /^(\d+)\/(.*)$/s.exec(result) ?? [];
    const member = members[Number(at)];
    if (at === '' || member === undefined)
      throw new Error(`InfluxDB answered with a result "${result}" that was not asked for.`);
    const { one, seriesOf } = member;
    const fail = (error: unknown): boolean => {
      // What nobody expects is found again where the question is asked alone.
      if (!(error instanceof UserpulseError)) throw error;
      one.settle(error);
      left();
      return true;
    };
    if (one.ended) return IGNORED;
    try {
      const add = seriesOf(name, type);
      return (...value) => {
        if (one.ended) return true;
        try {
          return add(...value);
        } catch (error) {
          return fail(error);
        }
      };
    } catch (error) {
      fail(error);
      return IGNORED;
    }
  });
}
