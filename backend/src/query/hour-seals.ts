import { hoursScript } from '../flux/hours.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import { hoursAnswer } from '../rollup/counted-hours.ts';
import type { Schema } from '../schema/buckets.ts';
import { HOUR_MS, sealOfTurns, turnsOf, type Hour, type Mark, type Marks } from '../schema/hour-marks.ts';

/** Hours: the first, and the one after the last. */
export interface HourSpan {
  readonly first: Hour;
  readonly end: Hour;
}

/** What is known of an hour. */
interface Known {
  /** That it was seen with. */
  marks: readonly Mark[] | undefined;
  /** Of its seal; undefined while it has none. */
  readonly turns: string | undefined;
  /** Look at which it was first seen so. */
  readonly since: number;
  /** Once it was asked for. */
  seal?: string;
}

/** Hours that are remembered; some hundred bytes each. */
const MOST_HOURS = 50_000;

/** A look that has not been sent yet, so that others can still be part of it. */
interface Look {
  first: Hour;
  end: Hour;
  sent: boolean;
}

/**
 * The seals of hours, as they were last seen. Looks are numbered, one follows the other: what was read from points between two looks at which an
 * hour had the same seal is what its points were at the second (docs/adr/0024-kept-hours.md).
 */
export class HourSeals {
  readonly #joined: Pick<JoinedReader, 'ask'>;
  readonly #schema: Schema;
  readonly #now: () => number;
  readonly #known = new Map<Hour, Known>();
  #present: Promise<void> | undefined;
  #next: { readonly look: Look; readonly done: Promise<void> } | undefined;
  #number = 1;
  #lookedMs = -Infinity;

  /** @param now epoch ms */
  constructor(joined: Pick<JoinedReader, 'ask'>, schema: Schema, now: () => number) {
    this.#joined = joined;
    this.#schema = schema;
    this.#now = now;
  }

  /** Number of the last look. */
  get number(): number {
    return this.#number;
  }

  /** Ms since the last look ended. */
  get ageMs(): number {
    return this.#now() - this.#lookedMs;
  }

  /** Whether all of these hours have been looked at. */
  knows({ first, end }: HourSpan): boolean {
    for (let hour = first; hour < end; hour++) if (!this.#known.has(hour)) return false;
    return true;
  }

  /** Number of the look since which the hour has been sealed, and the same; undefined where it is not, as far as known. */
  sealedSince(hour: Hour): number | undefined {
    const known = this.#known.get(hour);
    return known?.turns === undefined ? undefined : known.since;
  }

  /** The hour's seal at the last look; undefined where it had none, as far as known. */
  sealOf(hour: Hour): string | undefined {
    const known = this.#known.get(hour);
    return known?.turns === undefined ? undefined : (known.seal ??= sealOfTurns(known.turns));
  }

  /**
   * Resolves when the seals of these hours have been read, by a question that was sent after this call. All who ask before it is sent share it, and
   * one is under way at a time.
   * @throws as JoinedReader.ask
   */
  look({ first, end }: HourSpan): Promise<void> {
    const next = this.#next;
    if (next !== undefined && !next.look.sent) {
      next.look.first = Math.min(next.look.first, first);
      next.look.end = Math.max(next.look.end, end);
      return next.done;
    }
    const look: Look = { first, end, sent: false };
    const read = (): Promise<void> => this.#read(look);
    // At once where none is under way: it then shares the script of whoever asks for points in the same turn.
    const done = this.#present === undefined ? read() : this.#present.then(read, read);
    this.#next = { look, done };
    this.#present = done;
    const ended = (): void => {
      if (this.#present === done) this.#present = undefined;
    };
    done.then(ended, ended);
    return done;
  }

  async #read(look: Look): Promise<void> {
    const { begin, read } = hoursAnswer(undefined);
    await this.#joined.ask(
      {
        key: 'marks',
        streams: 1,
        script: (prefix) => {
          // Nobody who comes from now on may be part of it.
          look.sent = true;
          return hoursScript({ fromMs: look.first * HOUR_MS, toMs: look.end * HOUR_MS }, this.#schema, prefix);
        },
        begin,
      },
      undefined,
    );
    this.#learn(look, read().marks);
  }

  #learn({ first, end }: HourSpan, marks: Marks): void {
    this.#number++;
    this.#lookedMs = this.#now();
    if (this.#known.size + end - first > MOST_HOURS) this.#known.clear();
    for (let hour = first; hour < end; hour++) {
      const own = marks.get(hour);
      const known = this.#known.get(hour);
      // Most hours have the marks that they had, which are the same objects for the same texts.
      if (known !== undefined && sameMarks(known.marks, own)) continue;
      const turns = turnsOf(own);
      if (known !== undefined && known.turns === turns) known.marks = own;
      else this.#known.set(hour, { marks: own, turns, since: this.#number });
    }
  }
}

const sameMarks = (before: readonly Mark[] | undefined, now: readonly Mark[] | undefined): boolean =>
  before?.length === now?.length && (before?.every((mark, at) => mark === now?.[at]) ?? true);
