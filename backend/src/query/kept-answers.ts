import { isIdPreset, roleOf } from '../../../contract/presets.ts';
import { seriesScript, type CountStream } from '../flux/translate.ts';
import { countsOf, type CountHandler } from '../influx/count-reader.ts';
import type { JoinedReader } from '../influx/joined-reader.ts';
import { HOUR_MS, type Hour } from '../schema/hour-marks.ts';
import { readCounted, type CountedContext } from './counted-answers.ts';
import { fieldFor, uncounted, wholeHours } from './counted.ts';
import { Counts } from './counts.ts';
import type { HourSeals, HourSpan } from './hour-seals.ts';
import { countPoints, EveryonesPoints } from './hour-points.ts';
import { HourRows, POINT_GRAIN_MS, pointsKey, type Row } from './hour-rows.ts';
import type { Draft, KeptHours } from './kept-hours.ts';
import { MARGIN_HOURS, partsOf, piecesOf, runsOf, type Part } from './kept-parts.ts';
import type { Reading, SeriesPlan } from './plan.ts';
import { untilAborted } from './shared-answers.ts';
import type { Range } from './validate.ts';

/** Ranges that are read beside kept hours, of all streams together; nearby ones are read as one. */
const MOST_RANGES = 16;
/** Seals that are older are looked at beside a question that has nothing kept, in ms, for those after it. */
const STALE_MS = 60_000;
/** A range beside kept hours that is read as rows is as long at most, in ms, and has so few in any hour, as kept hours let one expect. */
const MOST_EDGE_MS = 2 * HOUR_MS;
const MOST_EDGE_ROWS = 2_000;

/** A part, and what of it is read from points. */
interface Asked {
  readonly part: Part;
  readonly ranges: readonly Range[];
}

/** A short range beside kept hours, which is read as rows. */
interface Edge extends Range {
  /** That it lies in; undefined where grains are counted in it. */
  readonly hour: Hour | undefined;
  /** Whether the rows of the hour are kept, as far as known. */
  readonly kept: boolean;
}

/** A part, what of it is kept, and how the rest is read. */
interface PartPlan extends Asked {
  readonly hours: readonly Hour[];
  readonly edges: readonly Edge[];
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
  readonly #rows: HourRows;
  /** Absent: parts of hours are counted each time. */
  readonly #everyone: EveryonesPoints | undefined;

  constructor(joined: Pick<JoinedReader, 'ask'>, seals: HourSeals, kept: KeptHours, context: CountedContext) {
    this.#joined = joined;
    this.#seals = seals;
    this.#kept = kept;
    this.#context = context;
    this.#rows = new HourRows(joined, kept, context.schema);
    const { lists, schema } = context;
    this.#everyone = lists === undefined ? undefined : new EveryonesPoints(joined, lists, seals, schema);
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
    const parts = all.map((part): Part => ({
      ...part,
      hours: { ...part.hours, first: Math.max(part.hours.first, floor) },
    }));
    // With the hours that ranges begin and end in.
    const span = {
      first: Math.max(floor, Math.min(...parts.map(({ hours }) => hours.first)) - 1),
      end: Math.max(...parts.map(({ hours }) => hours.end)) + 1,
    };
    // Where they cannot be read, nothing is kept, and the question for the points says what is wrong.
    if (!this.#seals.knows(span)) await untilAborted(this.#seals.look(span).catch(ignored), signal);

    const before = parts.map(({ key, hours }) => this.#kept.valid(key, hours));
    const most = Math.max(2, Math.floor(MOST_RANGES / parts.length));
    const plans = parts.map((part, at) => this.#planOf(part, before[at] ?? [], most, span));
    const uses = plans.some(({ hours, edges }) => hours.length > 0 || edges.some(({ kept }) => kept));
    // In the same turn as the question for the rest, so that all go into one script.
    const looked = uses || this.#seals.ageMs > STALE_MS ? this.#seals.look(span) : Promise.resolve();
    const seen = looked.then(
      () => true,
      () => false,
    );
    const edges = Promise.all(plans.map((each) => Promise.all(each.edges.map((edge) => this.#edge(each.part, edge)))));
    edges.catch(ignored);
    const counts = await this.#points(plan, readings, plans, signal);
    if (!uses) return counts;
    const rows = await untilAborted(edges, signal);
    await this.#addKept(plans, rows, await untilAborted(seen, signal), counts, signal);
    return counts;
  }

  /**
   * Types that occur in a range, where everyone's hours are kept and only its ends are to be read.
   * @returns undefined where they are not
   * @throws as {@link read}
   */
  async types(range: Range, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
    const stream: CountStream = {
      kind: 'counts',
      name: 'types',
      preset: 'everyone',
      ids: [],
      types: [],
      ...range,
      grain: null,
    };
    const [part] = partsOf([{ ...range, windows: [], streams: [stream] }]) ?? [];
    const floor = part === undefined ? undefined : await this.#floor({ preset: 'everyone' });
    if (part === undefined || floor === undefined || part.hours.first < floor) return undefined;
    // With the hour that it begins in.
    const span = { ...part.hours, first: Math.max(floor, part.hours.first - 1) };
    const valid = this.#kept.valid(part.key, part.hours);
    const { hours, ranges, edges } = this.#planOf(part, valid, MOST_RANGES, span);
    if (hours.length === 0 || ranges.length > 0) return undefined;
    const both = Promise.all([this.#seals.look(span), Promise.all(edges.map((edge) => this.#edge(part, edge)))]);
    const [, read] = await untilAborted(both, signal);
    if (inBoth(hours, this.#kept.valid(part.key, part.hours)).length < hours.length) return undefined;
    const types = new Set<string>();
    for (const [at, edge] of edges.entries()) {
      const rows = edge.kept ? this.#keptEdge(part, edge, true) : read[at];
      if (rows === undefined) return undefined;
      for (const { type } of rows) types.add(type);
    }
    this.#kept.read(part.key, hours, part.stream.grain.everyMs, (type) => {
      types.add(type);
      return ignored;
    });
    return types;
  }

  /** What is kept of a part, what is read as rows beside it, and what is counted. */
  #planOf(part: Part, valid: readonly Hour[], most: number, looked: HourSpan): PartPlan {
    const { ranges, hours } = uncounted(part.stream, valid, most);
    if (hours.length === 0) return { part, ranges, hours, edges: [] };
    const { stream, key } = part;
    if (stream.preset === 'everyone') {
      const short = ranges.filter((range) => fieldFor({ ...stream, ...range }) === undefined);
      if (short.length < ranges.length) return { part, ranges, hours, edges: [] };
      const points = this.#kept.most(key, hours);
      return { part, ranges: [], hours, edges: short.map((range) => this.#edgeOfAll(range, points, looked)) };
    }
    if (!isIdPreset(stream.preset) || this.#kept.most(key, hours) > MOST_EDGE_ROWS)
      return { part, ranges, hours, edges: [] };
    const { preset } = stream;
    const [long, short] = [ranges.filter((range) => !isShort(range)), ranges.filter(isShort)];
    const edges = short.flatMap(piecesOf).map((piece): Edge => {
      const span = { first: piece.hour, end: piece.hour + 1 };
      const kept =
        piece.hour >= looked.first &&
        piece.hour < looked.end &&
        stream.ids.every((id) => this.#kept.valid(pointsKey(preset, id), span).length > 0);
      return { ...piece, kept };
    });
    return { part, ranges: long, hours, edges };
  }

  /** @param points that an hour may have */
  #edgeOfAll(range: Range, points: number, looked: HourSpan): Edge {
    const [piece, another] = piecesOf(range);
    const counted = { ...range, hour: undefined, kept: false };
    const everyone = this.#everyone;
    // Of a whole hour counts are kept.
    if (everyone === undefined || piece === undefined || another !== undefined || isWhole(range)) return counted;
    const { hour } = piece;
    if (hour < looked.first || hour >= looked.end) return counted;
    if (everyone.kept(hour) !== undefined) return { ...range, hour, kept: true };
    return everyone.isDue(hour, points) ? { ...range, hour, kept: false } : counted;
  }

  /** The rows of an edge; undefined where there are too many to be read one by one, or where they are kept. */
  async #edge(part: Part, { fromMs, toMs, hour, kept }: Edge): Promise<readonly Row[] | undefined> {
    if (kept) return undefined;
    const { stream } = part;
    const { preset, ids, types } = stream;
    if (hour !== undefined && this.#everyone !== undefined && preset === 'everyone')
      return ofTypes(countPoints(await this.#everyone.read(hour), hour, { fromMs, toMs }, stream.grain.everyMs), types);
    if (hour === undefined || !isIdPreset(preset))
      return this.#rows.counts({ ...stream, fromMs, toMs }, () => this.#draft(part, [{ fromMs, toMs }]));
    const all = await Promise.all(ids.map((id) => this.#rows.points(preset, id, hour)));
    const rows: Row[] = [];
    for (const own of all) {
      if (own === undefined) return undefined;
      for (const row of own) if (row.ms >= fromMs && row.ms < toMs && isOf(types, row.type)) rows.push(row);
    }
    return rows;
  }

  /** Adds what is kept and the rows beside it, or, of hours that have changed, what is there now. */
  async #addKept(
    plans: readonly PartPlan[],
    rows: readonly (readonly (readonly Row[] | undefined)[])[],
    seen: boolean,
    counts: KeptCounts,
    signal: AbortSignal,
  ): Promise<void> {
    const again: Asked[] = [];
    for (const [at, { part, hours, edges }] of plans.entries()) {
      const { stream } = part;
      const target = part.reading === 0 ? counts.now : counts.earlier;
      if (target === undefined) throw new Error('A kept count has no reading.');
      const handlerOf = (type: string): CountHandler => target.handler(stream.ids[0], type);
      let good = inBoth(hours, seen ? this.#kept.valid(part.key, part.hours) : []);
      let changed = good === hours ? [] : runsOf(without(hours, good));
      if (changed.length > MOST_RANGES) [good, changed] = [[], runsOf(hours)];
      this.#kept.read(part.key, good, stream.grain.everyMs, handlerOf);
      for (const [n, edge] of edges.entries()) {
        const own = edge.kept ? this.#keptEdge(part, edge, seen) : rows[at]?.[n];
        if (own === undefined) changed.push(edge);
        else for (const { type, ms, count } of own) handlerOf(type)(ms, count);
      }
      if (changed.length > 0) again.push({ part, ranges: changed });
    }
    if (again.length > 0) await this.#ask(again, () => counts, signal, Infinity);
  }

  /** The rows of an edge whose hour is kept; undefined where it has changed. */
  #keptEdge(
    { stream: { preset, ids, types, grain } }: Part,
    { fromMs, toMs, hour }: Edge,
    seen: boolean,
  ): readonly Row[] | undefined {
    if (!seen || hour === undefined) return undefined;
    if (preset === 'everyone') {
      const points = this.#everyone?.kept(hour);
      return points && ofTypes(countPoints(points, hour, { fromMs, toMs }, grain.everyMs), types);
    }
    if (!isIdPreset(preset)) return undefined;
    const rows: Row[] = [];
    for (const id of ids) {
      const key = pointsKey(preset, id);
      const valid = this.#kept.valid(key, { first: hour, end: hour + 1 });
      if (valid.length === 0) return undefined;
      this.#kept.read(key, valid, POINT_GRAIN_MS, (type) => (ms, count) => {
        if (ms >= fromMs && ms < toMs && isOf(types, type)) rows.push({ type, ms, count });
      });
    }
    return rows;
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
  async #floor({ preset }: Pick<SeriesPlan, 'preset'>): Promise<Hour | undefined> {
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

/** @param now most often the same */
function inBoth(before: readonly Hour[], now: readonly Hour[]): readonly Hour[] {
  if (before.length <= now.length && before.every((hour, at) => hour === now[at])) return before;
  const all = new Set(now);
  return before.filter((hour) => all.has(hour));
}

function without(hours: readonly Hour[], some: readonly Hour[]): Hour[] {
  const all = new Set(some);
  return hours.filter((hour) => !all.has(hour));
}

const teed =
  (add: CountHandler, draft: Draft, type: string): CountHandler =>
  (ms, count) => {
    if (ms === null) throw new Error('A count of an hour came without its time.');
    add(ms, count);
    draft.add(type, ms, count);
  };

const isWhole = ({ fromMs, toMs }: Range): boolean => fromMs % HOUR_MS === 0 && toMs % HOUR_MS === 0;

/** @param types empty: all */
const isOf = (types: readonly string[], type: string): boolean => types.length === 0 || types.includes(type);

/** @param types empty: all */
const ofTypes = (rows: readonly Row[], types: readonly string[]): readonly Row[] =>
  rows.filter(({ type }) => isOf(types, type));

const isShort = ({ fromMs, toMs }: Range): boolean => toMs - fromMs <= MOST_EDGE_MS;
