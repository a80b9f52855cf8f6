import { roleOf } from '../../../contract/presets.ts';
import { seriesScript, type CountStream } from '../flux/translate.ts';
import { countsOf, type CountHandler } from '../influx/count-reader.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import { readCounted, type CountedContext } from './counted-answers.ts';
import { fieldFor, LEAST_HOURS, uncounted, wholeHours } from './counted.ts';
import { Counts } from './counts.ts';
import type { HourSeals, HourSpan } from './hour-seals.ts';
import type { Draft, KeptHours } from './kept-hours.ts';
import type { Reading, SeriesPlan } from './plan.ts';
import { untilAborted } from './shared-answers.ts';
import type { Range } from './validate.ts';

/** Hours of a range that are kept; of a longer one none are. */
const MOST_KEPT_HOURS = 40 * 24;
/** Streams of a plan that are kept; with more, none are. */
const MOST_PARTS = 8;
/** Ranges that are read beside kept hours, of all streams together; nearby ones are read as one. */
const MOST_RANGES = 16;
/** The shortest grain that is read in place of a longer one. */
const LEAST_GRAIN_MS = 300_000;
/** Seals that are older are looked at beside a question that has nothing kept, in ms, for those after it. */
const STALE_MS = 60_000;
/** Hours that begin less than this after what a bucket still holds are not kept: its clock is not ours. */
const MARGIN_HOURS = 1;

/** A stream whose hours can be kept. */
interface Part {
  readonly key: string;
  readonly stream: CountStream & { readonly grain: { readonly everyMs: number } };
  /** Index of its reading: as asked, or earlier. */
  readonly reading: number;
  /** Whole hours of its range. */
  readonly hours: HourSpan;
}

/** A part, and what of it is read from points. */
interface Asked {
  readonly part: Part;
  readonly ranges: readonly Range[];
}

export interface KeptCounts {
  readonly now: Counts;
  readonly earlier: Counts | undefined;
}

/** Answers plans that count, from hours that are kept where these can be believed, and the rest from points; keeps what was read. */
export class KeptAnswers {
  readonly #joined: Pick<JoinedReader, 'ask'>;
  readonly #seals: HourSeals;
  readonly #kept: KeptHours;
  readonly #context: CountedContext;

  constructor(joined: Pick<JoinedReader, 'ask'>, seals: HourSeals, kept: KeptHours, context: CountedContext) {
    this.#joined = joined;
    this.#seals = seals;
    this.#kept = kept;
    this.#context = context;
  }

  /**
   * @returns undefined where the plan has nothing that could be kept
   * @throws as InfluxReader.bytes; UserpulseError bad_request for too many series
   */
  async read(plan: SeriesPlan, signal: AbortSignal): Promise<KeptCounts | undefined> {
    const readings = [plan.now, ...(plan.compare === undefined ? [] : [plan.compare.earlier])];
    const all = partsOf(readings);
    if (all === undefined) return undefined;
    const floor = await this.#floor(plan);
    if (floor === undefined) return undefined;
    const parts = all.map((part) => ({ ...part, hours: { ...part.hours, first: Math.max(part.hours.first, floor) } }));
    const span = {
      first: Math.min(...parts.map(({ hours }) => hours.first)),
      end: Math.max(...parts.map(({ hours }) => hours.end)),
    };
    // Where they cannot be read, nothing is kept, and the question for the points says what is wrong.
    if (!this.#seals.knows(span)) await untilAborted(this.#seals.look(span).catch(ignored), signal);

    const before = parts.map(({ key, hours }) => this.#kept.valid(key, hours));
    const most = Math.max(2, Math.floor(MOST_RANGES / parts.length));
    const plans = parts.map((part, at) => ({ part, ...uncounted(part.stream, before[at] ?? new Set(), most) }));
    const uses = plans.some(({ hours }) => hours.length > 0);
    // In the same turn as the question for the rest, so that both go into one script.
    const looked = uses || this.#seals.ageMs > STALE_MS ? this.#seals.look(span) : Promise.resolve();
    const seen = looked.then(
      () => true,
      () => false,
    );
    const counts = await this.#points(plan, readings, plans, signal);
    if (!uses) return counts;
    await this.#addKept(plans, await untilAborted(seen, signal), counts, signal);
    return counts;
  }

  /** Adds what is kept, or, of hours that have changed, what is there now. */
  async #addKept(
    plans: readonly (Asked & { readonly hours: readonly Hour[] })[],
    seen: boolean,
    counts: KeptCounts,
    signal: AbortSignal,
  ): Promise<void> {
    const again: Asked[] = [];
    for (const { part, hours } of plans) {
      const now = seen ? this.#kept.valid(part.key, part.hours) : new Set<Hour>();
      const good = new Set(hours.filter((hour) => now.has(hour)));
      let changed = runsOf(hours.filter((hour) => !good.has(hour)));
      if (changed.length > MOST_RANGES) {
        good.clear();
        changed = runsOf(hours);
      }
      const target = part.reading === 0 ? counts.now : counts.earlier;
      this.#kept.read(part.key, good, part.stream.grain.everyMs, (type) => {
        if (target === undefined) throw new Error('A kept count has no reading.');
        return target.handler(part.stream.ids[0], type);
      });
      if (changed.length > 0) again.push({ part, ranges: changed });
    }
    if (again.length > 0) await this.#ask(again, () => counts, signal, Infinity);
  }

  async #points(
    plan: SeriesPlan,
    readings: readonly Reading[],
    asked: readonly Asked[],
    signal: AbortSignal,
  ): Promise<KeptCounts> {
    const [now, earlier] = readings;
    const fresh = (): KeptCounts => ({
      now: new Counts(plan, now ?? plan.now),
      earlier: earlier === undefined ? undefined : new Counts(plan, earlier),
    });
    const missing = asked.filter(({ ranges }) => ranges.length > 0);
    if (missing.length === 0) return fresh();
    // Counts of hours are another source, with a script of its own.
    if (
      missing.some(({ part, ranges }) => ranges.some((range) => fieldFor({ ...part.stream, ...range }) !== undefined))
    ) {
      const counts = fresh();
      await Promise.all(missing.map((one) => this.#counted(one, readings, counts, signal)));
      return counts;
    }
    return this.#ask(missing, fresh, signal);
  }

  /** Everyone's points, or what has been counted of them. */
  async #counted({ part, ranges }: Asked, readings: readonly Reading[], counts: KeptCounts, signal: AbortSignal) {
    const reading = readings[part.reading];
    const target = part.reading === 0 ? counts.now : counts.earlier;
    if (reading === undefined || target === undefined) return;
    await Promise.all(
      ranges.map(async (range, at) => {
        const draft = this.#draft(part, [range]);
        const both = {
          handler: (id: string | undefined, type: string): CountHandler => teed(target.handler(id, type), draft, type),
        };
        try {
          const streams = [{ ...part.stream, ...range, name: `${part.reading}.${at}` }];
          await readCounted(this.#context, { ...reading, ...range, streams }, both, signal);
          draft.keep();
        } finally {
          draft.drop();
        }
      }),
    );
  }

  /**
   * Counts points.
   * @param begin gives what they are added to, anew where the question is asked anew
   * @param least streams that the question counts as; as many as go into a script where it must have its own
   */
  async #ask(asked: readonly Asked[], begin: () => KeptCounts, signal: AbortSignal, least = 0): Promise<KeptCounts> {
    const streams = asked.flatMap(({ part, ranges }, at) =>
      ranges.map((range, n): CountStream => ({ ...part.stream, ...range, name: `${at}.${n}` })),
    );
    const hours = streams.reduce((sum, { fromMs, toMs }) => sum + Math.ceil((toMs - fromMs) / HOUR_MS), 0);
    let counts: KeptCounts | undefined;
    let drafts: Draft[] = [];
    const drop = (): void => {
      for (const draft of drafts) draft.drop();
    };
    try {
      await this.#joined.ask(
        {
          key: `${asked[0]?.part.key ?? ''} ${hours}`,
          streams: Math.max(streams.length, least),
          script: (prefix) => seriesScript(streams, this.#context.schema, prefix),
          begin: () => {
            drop();
            drafts = asked.map(({ part, ranges }) => this.#draft(part, ranges));
            const { now, earlier } = (counts = begin());
            return (result, type) => {
              const at = Number(result.split('.')[0]);
              const [one, draft] = [asked[at], drafts[at]];
              const target = one?.part.reading === 0 ? now : earlier;
              if (one === undefined || draft === undefined || target === undefined)
                throw new Error(`InfluxDB answered with a result "${result}" that was not asked for.`);
              return countsOf(teed(target.handler(one.part.stream.ids[0], type), draft, type));
            };
          },
        },
        signal,
      );
      for (const draft of drafts) draft.keep();
    } finally {
      drop();
    }
    return counts ?? begin();
  }

  #draft({ key, stream, hours }: Part, ranges: readonly Range[]): Draft {
    const spans = ranges.map((range) => {
      const whole = wholeHours(range);
      return { first: Math.max(whole.first, hours.first), end: Math.min(whole.end, hours.end) };
    });
    return this.#kept.draft(key, spans, stream.grain.everyMs);
  }

  /** The first hour whose points and marks InfluxDB still holds, all of them; undefined where that is not known. */
  async #floor({ preset }: SeriesPlan): Promise<Hour | undefined> {
    const { retention, now } = this.#context;
    if (retention === undefined) return -Infinity;
    const cutoffs = await Promise.all(
      [roleOf(preset), 'total' as const].map((role) => retention.cutoffMs(role, now(), NEVER)),
    );
    const known = cutoffs.filter((ms) => ms !== undefined);
    return known.length < cutoffs.length ? undefined : Math.ceil(Math.max(...known) / HOUR_MS) + MARGIN_HOURS;
  }
}

const NEVER = new AbortController().signal;
const ignored = (): void => undefined;

const teed =
  (add: CountHandler, draft: Draft, type: string): CountHandler =>
  (ms, count) => {
    if (ms === null) throw new Error('A count of an hour came without its time.');
    add(ms, count);
    draft.add(type, ms, count);
  };

/** Undefined where one of them cannot be kept. */
function partsOf(readings: readonly Reading[]): Part[] | undefined {
  const parts: Part[] = [];
  for (const [reading, { streams }] of readings.entries())
    for (const stream of streams) {
      if (stream.kind !== 'counts' || parts.length === MOST_PARTS) return undefined;
      const hours = wholeHours(stream);
      const everyMs = grainOf(stream);
      if (everyMs === undefined || hours.end - hours.first < LEAST_HOURS || hours.end - hours.first > MOST_KEPT_HOURS)
        return undefined;
      const { preset, ids, counterpart, types } = stream;
      parts.push({
        key: JSON.stringify([preset, ids, counterpart, types, everyMs]),
        stream: { ...stream, grain: { everyMs, offsetMs: 0 } },
        reading,
        hours,
      });
    }
  return parts.length === 0 ? undefined : parts;
}

/** The longest grain of which both hours and the stream's own grains are whole. */
function grainOf({ grain }: CountStream): number | undefined {
  if (grain === null) return HOUR_MS;
  const { everyMs, offsetMs } = grain;
  const common = gcd(HOUR_MS, gcd(everyMs, offsetMs));
  return common === everyMs || common >= LEAST_GRAIN_MS ? common : undefined;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Ranges of hours that follow each other. */
function runsOf(hours: readonly Hour[]): Range[] {
  const runs: { fromMs: number; toMs: number }[] = [];
  for (const hour of hours) {
    const last = runs.at(-1);
    if (last?.toMs === hour * HOUR_MS) last.toMs += HOUR_MS;
    else runs.push({ fromMs: hour * HOUR_MS, toMs: (hour + 1) * HOUR_MS });
  }
  return runs;
}
