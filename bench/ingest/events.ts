import { higgsEvent } from '../../backend/src/produce/higgs-event.ts';
import { eventJson } from '../../backend/src/produce/event-json.ts';
import { Generator as EventGenerator } from '../../backend/src/produce/generator.ts';
import { readHiggsLines } from '../../tools/higgs.ts';

/** The generated week of the benchmarks: 10 million events of a million users in seven days, Zipf-distributed. Always the same. */
export const WEEK = {
  users: 1_000_000,
  shares: 200_000,
  events: 10_000_000,
  startMs: Date.UTC(2026, 0, 5),
  lengthMs: 7 * 86_400_000,
  types: ['like', 'comment', 'reshare', 'follow', 'mention'],
  seed: 1,
} as const;

export interface BenchEvent {
  readonly data: Uint8Array;
  /** Unlike all others, as producers choose it who want all shards alike. */
  readonly partitionKey: string;
  readonly occurredAtMs: number;
}

/** What fills an event up: one long text, or the nested object that a client's library sends along. */
export const CONTEXTS = ['text', 'object'] as const;
export type Context = (typeof CONTEXTS)[number];

/** The first events of the week, filled up to `bytes` of JSON with a field that Userpulse archives and otherwise ignores. */
export function* weekEvents(
  events: number,
  bytes: number,
  context: Context = 'text',
): Generator<BenchEvent, void, void> {
  const fill = context === 'text' ? padded : withClientContext;
  const generator = new EventGenerator({ ...WEEK, invalid: 0, repeats: 0 });
  for (let n = 0; n < events; n++) {
    const atMs = Math.floor(WEEK.startMs + (n / WEEK.events) * WEEK.lengthMs);
    const { fields } = generator.next(atMs);
    yield { data: fill(eventJson(fields), bytes, n), partitionKey: fields.eventId, occurredAtMs: atMs };
  }
}

/** The first events of the Higgs file, plain or gzip. @throws RangeError where it has fewer */
export function* higgsEvents(file: string, events: number): Generator<BenchEvent, void, void> {
  let made = 0;
  for (const line of readHiggsLines(file)) {
    if (made === events) return;
    const fields = higgsEvent(line);
    if (fields === undefined) continue;
    made++;
    yield {
      data: Buffer.from(eventJson(fields)),
      partitionKey: fields.eventId,
      occurredAtMs: fields.occurredAtMs,
    };
  }
  if (made < events) throw new RangeError(`${file} has ${made} events, not ${events}.`);
}

/**
 * Stands for whatever a producer sends along as one opaque text, such as a trace or a token, cut to length: half of it the same from event to event,
 * half not, so that it compresses as real payloads do (about 1 to 4). To a JSON parser it is a single string.
 */
export function padded(json: string, bytes: number, n: number): Uint8Array {
  const open = `${json.slice(0, -1)},"context":"`;
  const room = bytes - Buffer.byteLength(open) - 2;
  if (room < 0) return Buffer.from(json);
  let context = `app=${APPS[n % APPS.length] ?? ''};screen=${SCREENS[(n >> 2) % SCREENS.length] ?? ''};session=`;
  for (let k = 0; context.length < room; k++) {
    context += (Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(k + 1, 0x85ebca6b)).toString(16);
    context += WORDS[(n * 7 + k * 13) % WORDS.length] ?? '';
  }
  return Buffer.from(`${open}${context.slice(0, room)}"}`);
}

/**
 * The context that a client's library sends with every event, as those of analytics services do (Segment's common fields:
 * https://segment.com/docs/connections/spec/common/#context): some thirty members in nested objects, a user agent, locale, session and campaign. To a
 * JSON parser it is what a text of the same length is not: names, numbers, booleans and arrays. A text within it makes up the length.
 */
export function withClientContext(json: string, bytes: number, n: number): Uint8Array {
  const random = (k: number): number => (Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(k + 1, 0x85ebca6b)) >>> 0;
  const hex = (k: number): string => random(k).toString(16).padStart(8, '0');
  const one = <T>(of: readonly [T, ...T[]], k: number): T => of[random(k) % of.length] ?? of[0];
  const ios = random(1) % 2 === 0;
  const context = {
    library: { name: 'analytics.js', version: '4.2.1' },
    app: { name: 'Feed', version: one(['7.4.1', '7.4.0', '7.3.2'], 2), build: 7400 + (random(2) % 40) },
    device: {
      id: `${hex(3)}-${hex(4)}`,
      type: ios ? 'ios' : 'android',
      model: ios ? one(['iPhone14,5', 'iPhone12,1'], 5) : one(['SM-S911B', 'Pixel 7'], 5),
      adTrackingEnabled: random(6) % 3 === 0,
    },
    os: { name: ios ? 'iOS' : 'Android', version: one(['17.4.1', '16.7', '14', '13'], 5) },
    screen: { width: 1080, height: 2340, density: 2.75 },
    network: { wifi: random(7) % 2 === 0, cellular: random(7) % 2 === 1, carrier: one(['Telekom', 'Orange', ''], 8) },
    locale: one(['de-DE', 'en-GB', 'fr-FR', 'pt-BR'], 9),
    timezone: one(['Europe/Berlin', 'Europe/London', 'America/Sao_Paulo'], 9),
    session: {
      id: `${hex(10)}${hex(11)}`,
      number: random(12) % 900,
      startedAt: WEEK.startMs - (random(12) % 3_600_000),
    },
    page: { path: `/${one(SCREENS, 13)}`, position: random(14) % 120, tags: ['ranking-b', one(['new', 'old'], 14)] },
    campaign: random(15) % 4 === 0 ? { source: 'newsletter', name: 'spring' } : null,
    userAgent: ios
      ? 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148'
      : 'Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0 Mobile Safari/537.36',
  };
  const open = `${json.slice(0, -1)},"context":${JSON.stringify(context).slice(0, -1)},"trace":"`;
  let trace = '';
  const room = bytes - Buffer.byteLength(open) - 3;
  for (let k = 16; trace.length < room; k++) trace += hex(k);
  return Buffer.from(`${open}${trace.slice(0, Math.max(0, room))}"}}`);
}

const APPS = [
  'ios/17.4.1 iPhone14,5',
  'ios/16.7 iPhone12,1',
  'android/14 SM-S911B',
  'android/13 Pixel 7',
  'web/Firefox',
];
const SCREENS: readonly [string, ...string[]] = [
  'feed/following',
  'feed/popular',
  'share/detail',
  'profile/own',
  'profile/other',
  'search/results',
];
const WORDS = [
  ';trace=',
  ';experiment=ranking-b,',
  ';referrer=feed/following,',
  ';locale=de_DE;carrier=',
  ';position=',
  ';model=v12,',
];
