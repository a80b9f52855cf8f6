import { formatsOf, type Schema } from '../schema/buckets.ts';
import type { Logger } from 'pino';
import type { LiveWindow } from '../../../contract/answers.ts';
import { SERIES_PRESETS } from '../../../contract/presets.ts';
import { quoted } from '../../../contract/problem.ts';
import { countsPeople } from '../../../contract/query.ts';
import { UserpulseError } from '../errors.ts';
import type { Claim, QueryBudget } from './budget.ts';
import type { Series } from './counts.ts';
import { DAY_MS, type Duration } from './duration.ts';
import { planQuery, type SeriesPlan } from './plan.ts';
import type { AskedQuery } from './request.ts';
import { INBOX_WINDOW_BYTES, LIVE_WINDOW_BYTES, readBytes } from './size.ts';
import { localWindows, type Window } from './windows.ts';
import { zoneOf, type Zone } from './zone.ts';

export interface LiveRequest {
  readonly preset: string;
  readonly ids: readonly string[];
  readonly types: readonly string[];
  readonly every: string;
  /** `count` (the default) or `unique`. */
  readonly calc?: string | undefined;
  readonly groupBy?: readonly string[] | undefined;
  readonly direction?: string | undefined;
  readonly timezone?: string | undefined;
}

export interface LiveHubOptions {
  readonly schema: Pick<Schema, 'ids'>;
  /** @param claim pays for what the plan does not tell, and gets it back */
  readonly read: (plan: SeriesPlan, signal: AbortSignal, claim: Claim) => Promise<readonly Series[]>;
  /** Counts what feeds remember and read. */
  readonly budget: QueryBudget;
  /** Epoch ms. */
  readonly now: () => number;
  readonly logger: Logger;
  /** Longest time between two looks at InfluxDB, in ms. */
  readonly pollMs?: number;
}

/** What a subscriber gets. */
export type LiveUpdate =
  /**
   * A new or changed window. `placeMs` (epoch ms) comes with the last window that waits only: the look up to which the subscriber has got everything,
   * from which one that was cut off may go on.
   */
  | { readonly kind: 'window'; readonly window: LiveWindow; readonly placeMs: number | undefined }
  /** Changes of these windows are not told: the subscriber was away for too long. */
  | { readonly kind: 'gap'; readonly fromMs: number; readonly toMs: number };

/** Half of the second within which a window must be out after its data has been written. */
const POLL_MS = 500;
/** Wakes that follow each other more quickly share one look. */
const SHORTEST_MS = 50;
const LONGEST_RETRY_MS = 5_000;
/** After a look at people a stream rests for so many times as long as it took, so that it takes a fifth of InfluxDB's time at most. */
const REST = 4;
/** How far back windows are looked at again for late events: this long or this many windows, whichever is longer… */
const LOOK_BACK_MS = 120_000;
const LOOK_BACK_WINDOWS = 3;
/** …but no more windows than this. */
const MOST_WINDOWS = 300;
/** After InfluxDB was away: back to the last look, but no more windows than this. */
const MOST_MISSED_WINDOWS = 1000;

/** Whether a signal has been aborted by now: its state changes across an await, which a plain property test hides from the compiler. */
const aborted = (signal: AbortSignal): boolean => signal.aborted;

/** Live windows: equal subscriptions share one feed, and so one look at InfluxDB at a time. */
export class LiveHub {
  readonly #options: LiveHubOptions;
  readonly #feeds = new Map<string, Feed>();

  constructor(options: LiveHubOptions) {
    this.#options = options;
  }

  /**
   * @param sinceMs the look that the subscriber has got last, before it was cut off (epoch ms): whatever may have changed since comes first
   * @throws UserpulseError bad_request, overloaded, at once
   */
  subscribe(request: LiveRequest, signal: AbortSignal, sinceMs?: number): AsyncIterable<LiveUpdate> {
    const spec = specOf(request, this.#options.now(), this.#options.schema);
    const key = JSON.stringify([spec.query, spec.every, spec.zone.name]);
    if (!this.#feeds.has(key)) {
      // Whether there is room for a look at all; the feed takes it when it begins.
      const trial = this.#options.budget.claim();
      trial.grow(spec.firstBytes);
      trial.release();
    }
    return this.#stream(key, spec, signal, sinceMs);
  }

  wake(): void {
    for (const feed of this.#feeds.values()) feed.wake();
  }

  async *#stream(
    key: string,
    spec: FeedSpec,
    signal: AbortSignal,
    sinceMs: number | undefined,
  ): AsyncGenerator<LiveUpdate, void> {
    if (aborted(signal)) return;
    const nowMs = this.#options.now();
    const gap = sinceMs === undefined ? undefined : untold(spec.every, sinceMs, nowMs);
    if (gap !== undefined) yield gap;
    let feed = this.#feeds.get(key);
    if (feed === undefined) {
      feed = new Feed(spec, this.#options);
      this.#feeds.set(key, feed);
    }
    const inbox = feed.join(sinceMs === undefined ? undefined : Math.min(sinceMs, nowMs));
    const onAbort = (): void => inbox.notify();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        for (let window = inbox.take(); window !== undefined; window = inbox.take()) {
          if (aborted(signal)) return;
          // With part of a look still waiting, going on from that look would lose the rest: a catch-up reaches further back than any other look.
          yield { kind: 'window', window, placeMs: inbox.empty ? inbox.placeMs : undefined };
        }
        if (aborted(signal)) return;
        await inbox.changed();
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      feed.leave(inbox);
      if (feed.deserted && this.#feeds.get(key) === feed) this.#feeds.delete(key);
    }
  }
}

interface FeedSpec {
  readonly query: AskedQuery;
  /** Whether people are counted, which takes a read of every interaction. */
  readonly people: boolean;
  readonly every: Duration;
  readonly zone: Zone;
  /** What a look at the windows of the look-back takes, in bytes. */
  readonly firstBytes: number;
}

function specOf(request: LiveRequest, nowMs: number, schema: Pick<Schema, 'ids'>): FeedSpec {
  const zone = zoneOf(request.timezone);
  const every = request.every.trim();
  if (every === '' || every === 'auto')
    throw new UserpulseError('bad_request', 'A stream needs a definite every.', {
      hint: 'Give a duration, for example every=10s.',
    });
  const { preset, ids, types, calc = 'count', groupBy, direction } = request;
  if (calc !== 'count' && calc !== 'unique')
    throw new UserpulseError('bad_request', `calc ${quoted(calc)} cannot be streamed.`, {
      hint: 'Use count, of which rates and sums can be made, or unique.',
    });
  const query: AskedQuery = { refId: 'live', preset, ids, types, every, calc, groupBy, direction };
  // Validates everything, on a range that has very few windows whatever their length.
  const plan = planQuery(query, {
    fromMs: nowMs,
    toMs: nowMs + 1,
    zone,
    formats: formatsOf(schema),
    intervalMs: undefined,
    maxDataPoints: undefined,
  });
  if (plan.kind !== 'series')
    throw new UserpulseError('bad_request', `preset "${request.preset}" has no windows to stream.`, {
      hint: `Use one of ${SERIES_PRESETS.join(', ')}.`,
    });
  return {
    query: {
      ...query,
      preset: plan.preset,
      ids: plan.pair ?? plan.ids,
      types: plan.types,
      groupBy: [...plan.groupBy],
    },
    people: countsPeople(plan.calc),
    every: plan.every,
    zone,
    firstBytes: readBytes(
      plan,
      LOOK_BACK_WINDOWS + (plan.every.kind === 'ms' ? Math.ceil(lookBackMs(plan.every) / plan.every.ms) : 0),
    ),
  };
}

/** Windows that a subscriber has not taken yet. A newer state of a window replaces the older, so that a slow reader costs no memory. */
class Inbox {
  /**
   * Set while the subscriber goes on from a look that it has got last (epoch ms): the first look that begins after it has joined reaches back to that
   * one, and it gets every window of it, changed or not. Before that it gets nothing, or its place would be lost if it were cut off again.
   */
  resumeMs: number | undefined;
  /** The look that the windows put last come from (epoch ms). */
  placeMs: number | undefined;
  readonly #waiting = new Map<string, LiveWindow>();
  #failure: Error | undefined;
  #notify: (() => void) | undefined;

  get empty(): boolean {
    return this.#waiting.size === 0;
  }

  put(key: string, window: LiveWindow): void {
    this.#waiting.set(key, window);
    this.notify();
  }

  fail(error: Error): void {
    this.#failure = error;
    this.notify();
  }

  /** @throws the failure of the feed, when there is nothing left */
  take(): LiveWindow | undefined {
    for (const [key, window] of this.#waiting) {
      this.#waiting.delete(key);
      return window;
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  notify(): void {
    this.#notify?.();
    this.#notify = undefined;
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.size > 0 || this.#failure !== undefined) resolve();
      else this.#notify = resolve;
    });
  }
}

/**
 * Looks at InfluxDB again and again while someone listens:
 *
 *   join (first) ─▶ looking ─▶ waiting ─ wake or poll time ─▶ looking …      leave (last) ─▶ ended, for good
 *                      └─ failed: before the first success the listeners get the error; later it is logged and tried again,
 *                                 and those who go on from an earlier look, for whom it reached further back, get the error
 */
class Feed {
  readonly #spec: FeedSpec;
  readonly #options: LiveHubOptions;
  readonly #inboxes = new Set<Inbox>();
  readonly #end = new AbortController();
  readonly #claim: Claim;
  /** Last known state of every window within the look-back, by series and start. */
  readonly #sent = new Map<string, LiveWindow>();
  /** Types seen so far of each id; once seen, a type keeps its series. */
  readonly #types = new Map<string, Set<string>>();
  #wake: (() => void) | undefined;
  #woken = false;
  /** Bytes that are counted for {@link #sent} and the inboxes. */
  #remembered = 0;
  #started = false;
  /** Time of the last look that succeeded, epoch ms. */
  #lookedMs: number | undefined;

  constructor(spec: FeedSpec, options: LiveHubOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#claim = options.budget.claim();
  }

  get deserted(): boolean {
    return this.#end.signal.aborted;
  }

  join(sinceMs: number | undefined): Inbox {
    const inbox = new Inbox();
    if (sinceMs === undefined) {
      inbox.placeMs = this.#lookedMs;
      for (const [key, window] of this.#sent) inbox.put(key, window);
    } else {
      inbox.resumeMs = sinceMs;
      this.wake();
    }
    this.#inboxes.add(inbox);
    if (!this.#started) {
      this.#started = true;
      const end = this.#claim.work();
      void this.#run().finally(end);
    }
    return inbox;
  }

  leave(inbox: Inbox): void {
    this.#inboxes.delete(inbox);
    if (this.#inboxes.size === 0) this.#finish();
  }

  /** For good: a new subscriber begins anew. */
  #finish(): void {
    this.#end.abort();
    this.#claim.release();
    this.wake();
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const pollMs = this.#options.pollMs ?? POLL_MS;
    let succeeded = false;
    let retryMs = pollMs;
    while (!aborted(this.#end.signal)) {
      this.#woken = false;
      try {
        const begun = performance.now();
        await this.#look();
        succeeded = true;
        retryMs = pollMs;
        const restMs = this.#spec.people ? (performance.now() - begun) * REST : 0;
        await this.#wait(Math.max(SHORTEST_MS, restMs), Math.max(pollMs, restMs));
      } catch (error) {
        if (aborted(this.#end.signal)) return;
        if (!succeeded || !(error instanceof UserpulseError)) {
          const failure = error instanceof Error ? error : new Error(String(error));
          for (const inbox of this.#inboxes) inbox.fail(failure);
          this.#finish();
          return;
        }
        // The look may have failed only for how far back they reach. The others must not wait for them.
        for (const inbox of this.#inboxes) {
          if (inbox.resumeMs === undefined) continue;
          inbox.fail(error);
          this.#inboxes.delete(inbox);
        }
        if (this.#inboxes.size === 0) {
          this.#finish();
          return;
        }
        this.#options.logger.warn({ err: error, retryMs }, 'A live stream could not be read; trying again.');
        await this.#wait(retryMs, retryMs);
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
  }

  /** Waits at least `least` ms, and on until woken, at most `most` ms. */
  async #wait(least: number, most: number): Promise<void> {
    await this.#pause(least, false);
    if (!this.#woken && most > least) await this.#pause(most - least, true);
  }

  #pause(ms: number, wakeable: boolean): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        if (!wakeable && !this.#end.signal.aborted) return;
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(() => {
        this.#wake = undefined;
        resolve();
      }, ms);
      this.#wake = finish;
    });
  }

  async #look(): Promise<void> {
    const nowMs = this.#options.now();
    const { every, zone } = this.#spec;
    const at = (ms: number): Window | undefined => localWindows({ fromMs: ms, toMs: ms + 1, every, zone, limit: 1 })[0];
    const open = at(nowMs);
    const resuming = new Set([...this.#inboxes].filter((inbox) => inbox.resumeMs !== undefined));
    const resumeMs = Math.min(...[...resuming].map((inbox) => inbox.resumeMs ?? nowMs));
    // Events may come late: since the look that a subscriber has got last, windows may have changed as far back as that look reached.
    const sinceMs = Math.min(this.#lookedMs ?? nowMs, resumeMs - lookBackMs(every));
    const earliest = at(nowMs - Math.max(lookBackMs(every), missedMs(every, nowMs - sinceMs)));
    if (open === undefined || earliest === undefined) throw new Error(`No window holds ${nowMs}.`);
    const plan = planQuery(this.#spec.query, {
      fromMs: earliest.startMs,
      toMs: open.endMs,
      zone,
      formats: formatsOf(this.#options.schema),
      intervalMs: undefined,
      maxDataPoints: undefined,
    });
    if (plan.kind !== 'series') throw new Error('A stream has no windows.');
    const planned = readBytes(plan);
    this.#claim.grow(planned);
    try {
      const series = await this.#options.read(plan, this.#end.signal, this.#claim);
      this.#account(this.#sent.size + series.length * plan.now.windows.length);
      this.#publish(plan, series, nowMs, resuming);
    } finally {
      this.#claim.shrink(planned);
    }
    this.#lookedMs = nowMs;
    for (const inbox of resuming) inbox.resumeMs = undefined;
    for (const [key, window] of this.#sent) if (window.time < earliest.startMs) this.#sent.delete(key);
    this.#account(this.#sent.size);
  }

  /** Counts so many windows as remembered, and as waiting for each subscriber. @throws UserpulseError answer_too_large, overloaded */
  #account(windows: number): void {
    const bytes = windows * (LIVE_WINDOW_BYTES + INBOX_WINDOW_BYTES * this.#inboxes.size);
    const change = bytes - this.#remembered;
    if (change > 0) this.#claim.grow(change);
    else this.#claim.shrink(-change);
    this.#remembered = bytes;
  }

  /** @param resuming get every window, changed or not */
  #publish(plan: SeriesPlan, series: readonly Series[], nowMs: number, resuming: ReadonlySet<Inbox>): void {
    const { windows } = plan.now;
    for (const inbox of this.#inboxes) if (inbox.resumeMs === undefined || resuming.has(inbox)) inbox.placeMs = nowMs;
    const zeros = new Float64Array(windows.length);
    const counts = new Map<string, Map<string, Float64Array>>();
    for (const one of series) {
      const id = one.id ?? '';
      const types = this.#types.get(id) ?? new Set<string>();
      this.#types.set(id, types);
      if (one.type !== undefined) types.add(one.type);
      const byType = counts.get(id) ?? new Map<string, Float64Array>();
      counts.set(id, byType);
      byType.set(one.type ?? '', one.counts);
    }
    for (const [id, types] of this.#types) {
      // Where nothing has happened yet the series has no type.
      for (const type of types.size === 0 ? [''] : types) {
        const values = counts.get(id)?.get(type) ?? zeros;
        windows.forEach((window, i) => {
          const [time, value, partial] = [window.startMs, values[i] ?? 0, window.endMs > nowMs];
          this.#offer({ id, type, time, value, partial }, resuming);
        });
      }
    }
  }

  #offer(window: LiveWindow, resuming: ReadonlySet<Inbox>): void {
    const key = `${window.id}/${window.type}/${window.time}`;
    const before = this.#sent.get(key);
    const changed = before?.value !== window.value || before.partial !== window.partial;
    if (changed) this.#sent.set(key, window);
    for (const inbox of this.#inboxes) {
      if (inbox.resumeMs === undefined ? changed : resuming.has(inbox)) inbox.put(key, window);
    }
  }
}

function lookBackMs(every: Duration): number {
  switch (every.kind) {
    case 'ms':
      return Math.min(Math.max(LOOK_BACK_MS, every.ms * LOOK_BACK_WINDOWS), every.ms * MOST_WINDOWS);
    case 'months':
      return every.months * 31 * DAY_MS * LOOK_BACK_WINDOWS;
    default:
      return every satisfies never;
  }
}

/** How much of the time since the last look there is to catch up with, ms. */
function missedMs(every: Duration, sinceMs: number): number {
  return every.kind === 'ms' ? Math.min(sinceMs, every.ms * MOST_MISSED_WINDOWS) : sinceMs;
}

/** The part of what a subscriber has missed that is not caught up with; undefined where all of it is. */
function untold(every: Duration, sinceMs: number, nowMs: number): Extract<LiveUpdate, { kind: 'gap' }> | undefined {
  const fromMs = sinceMs - lookBackMs(every);
  const toMs = nowMs - missedMs(every, nowMs - fromMs);
  return toMs > fromMs && toMs > sinceMs ? { kind: 'gap', fromMs: sinceMs, toMs } : undefined;
}
