import { IANAZone } from 'luxon';
import { UserpulseError } from '../errors.ts';

/** A time zone as a list of offsets over the years that have been asked about. All times are epoch ms, "local" ones count wall-clock ms. */
export interface Zone {
  readonly name: string;
  /** Spans of one offset that cover [fromMs, toMs), ascending and adjoining; the first begins at or before fromMs. */
  spans(fromMs: number, toMs: number): readonly Span[];
}

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
  /** Local time minus UTC, in ms. */
  readonly offsetMs: number;
}

/** Zones change their offset at most once in this time: the shortest rule since 1970 lasted 6.96 days (Recife, October 2000). */
const STEP_MS = 3 * 86_400_000;
/** Offsets are looked up in blocks of about two years, once per process, because asking Intl costs microseconds each time. */
const BLOCK_MS = 256 * STEP_MS;

class LuxonZone implements Zone {
  readonly name: string;
  readonly #zone: IANAZone;
  readonly #blocks = new Map<number, readonly Span[]>();

  constructor(name: string) {
    this.name = name;
    this.#zone = IANAZone.create(name);
  }

  spans(fromMs: number, toMs: number): readonly Span[] {
    const out: Span[] = [];
    const last = Math.floor((Math.max(toMs, fromMs + 1) - 1) / BLOCK_MS);
    for (let block = Math.floor(fromMs / BLOCK_MS); block <= last; block++) {
      for (const span of this.#block(block)) {
        const before = out.at(-1);
        if (before?.offsetMs === span.offsetMs) out[out.length - 1] = { ...before, endMs: span.endMs };
        else out.push(span);
      }
    }
    const first = out.findIndex((span) => span.endMs > fromMs);
    const end = out.findLastIndex((span) => span.startMs < toMs);
    return out.slice(Math.max(first, 0), Math.max(end, first, 0) + 1);
  }

  #block(block: number): readonly Span[] {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const startMs = block * BLOCK_MS;
    const endMs = startMs + BLOCK_MS;
    const spans: Span[] = [];
    let spanStart = startMs;
    let offsetMs = this.#offset(startMs);
    for (let at = startMs; at < endMs; at += STEP_MS) {
      const next = this.#offset(at + STEP_MS);
      if (next === offsetMs) continue;
      const change = this.#change(at, at + STEP_MS, offsetMs);
      spans.push({ startMs: spanStart, endMs: change, offsetMs });
      spanStart = change;
      offsetMs = next;
    }
    if (spanStart < endMs) spans.push({ startMs: spanStart, endMs, offsetMs });
    this.#blocks.set(block, spans);
    return spans;
  }

  /** First second in (low, high] whose offset is no longer `before`. */
  #change(low: number, high: number, before: number): number {
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (this.#offset(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  /** Whole seconds, as the time zone database has them. */
  #offset(ms: number): number {
    return Math.round(this.#zone.offset(ms) * 60) * 1000;
  }
}

const UTC: Zone = {
  name: 'UTC',
  spans: () => [{ startMs: -Infinity, endMs: Infinity, offsetMs: 0 }],
};

const UTC_NAMES = new Set([
  'utc',
  'etc/utc',
  'gmt',
  'etc/gmt',
  'zulu',
  'etc/zulu',
  'uct',
  'etc/uct',
  'universal',
  'etc/universal',
  'z',
]);
const zones = new Map<string, Zone>();

/**
 * @param name IANA name in any case; absent or empty means UTC
 * @throws UserpulseError bad_request
 */
export function zoneOf(name: string | undefined): Zone {
  if (name === undefined || name === '' || UTC_NAMES.has(name.toLowerCase())) return UTC;
  const key = name.toLowerCase();
  const known = zones.get(key);
  if (known !== undefined) return known;
  // Offsets such as +02:00, which newer versions of Intl take too, are no IANA names and would not follow clock changes.
  if (!/^[A-Za-z]/.test(name) || !IANAZone.isValidZone(name))
    throw new UserpulseError('bad_request', `timezone "${name.slice(0, 64)}" is not known.`, {
      hint: 'Use an IANA name such as Europe/Paris, or UTC.',
    });
  const zone = new LuxonZone(name);
  zones.set(key, zone);
  return zone;
}
