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

/** The first events of the week, padded to `bytes` of JSON with a field that Userpulse archives and otherwise ignores. */
export function* weekEvents(events: number, bytes: number): Generator<BenchEvent, void, void> {
  const generator = new EventGenerator({ ...WEEK, invalid: 0, repeats: 0 });
  for (let n = 0; n < events; n++) {
    const atMs = Math.floor(WEEK.startMs + (n / WEEK.events) * WEEK.lengthMs);
    const { fields } = generator.next(atMs);
    yield { data: padded(eventJson(fields), bytes, n), partitionKey: fields.eventId, occurredAtMs: atMs };
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
 * What mobile clients send along, cut to length: half of it the same from event to event, half not, so that it compresses as real payloads do
 * (about 1 to 4).
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

const APPS = [
  'ios/17.4.1 iPhone14,5',
  'ios/16.7 iPhone12,1',
  'android/14 SM-S911B',
  'android/13 Pixel 7',
  'web/Firefox',
];
const SCREENS = ['feed/following', 'feed/popular', 'share/detail', 'profile/own', 'profile/other', 'search/results'];
const WORDS = [
  ';trace=',
  ';experiment=ranking-b,',
  ';referrer=feed/following,',
  ';locale=de_DE;carrier=',
  ';position=',
  ';model=v12,',
];
