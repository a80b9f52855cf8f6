import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { hourlyShare } from '../../backend/src/produce/higgs-event.ts';

/**
 * A file of interactions whose numbers the specs look for on the page: lines of the Higgs activity-time file, `actor receiver second type`.
 * It goes through the whole pipeline (`userpulse produce --file`) and is counted here line by line, without any of the backend's counting.
 */

/** The user that most dashboards of the specs show; of the Higgs file the most received one. */
export const USER = '88';
/** Days of the Higgs file, UTC. */
export const WEEK = { from: Date.UTC(2012, 6, 1), to: Date.UTC(2012, 6, 8) } as const;

const TYPES = { RT: 'retweet', MT: 'mention', RE: 'reply' } as const;
export type Type = (typeof TYPES)[keyof typeof TYPES];

/** A sample of the same form, for where the Higgs file is not at hand. No two lines are equal; nothing about it is random. */
export async function writeSample(path: string): Promise<void> {
  const lines = Array.from({ length: 20_000 }, (_, n) => {
    const receiver = n % 3 === 0 ? 88 : 600 + (n % 41);
    const type = ['RT', 'RT', 'MT', 'RT', 'RE'][n % 5] ?? 'RT';
    return `${1_000 + ((n * 7) % 997)} ${receiver} ${WEEK.from / 1_000 + 3_600 + n * 29} ${type}`;
  });
  await writeFile(path, `${lines.join('\n')}\n`);
}

export type Counts = ReadonlyMap<Type, number>;
export interface Counted {
  readonly events: number;
  readonly total: Counts;
  readonly received: Counts;
  /** What {@link USER} received, by hour since the start of {@link WEEK}. */
  readonly receivedByHour: readonly number[];
  readonly made: { readonly actor: string; readonly counts: Counts };
  readonly share: { readonly id: string; readonly counts: Counts };
  /** Receivers with the most interactions, most first. */
  readonly top: readonly { readonly id: string; readonly count: number }[];
  /** Different people: who interacted with {@link USER}, in all and by type; and who did anything, in all and by day of {@link WEEK}. */
  readonly people: {
    readonly reach: number;
    readonly byType: Counts;
    readonly active: number;
    readonly activeByDay: readonly number[];
  };
  /** Those who interacted most with {@link USER}, most first, ties by number. */
  readonly who: readonly { readonly id: string; readonly count: number }[];
}

export const sum = (counts: Counts): number => [...counts.values()].reduce((a, b) => a + b, 0);

export async function countSample(path: string): Promise<Counted> {
  const file = createReadStream(path);
  const input = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  const [total, receivers, actors, shares] = [
    new Map<Type, number>(),
    new Map<string, Map<Type, number>>(),
    new Map<string, Map<Type, number>>(),
    new Map<string, Map<Type, number>>(),
  ];
  const receivedByHour = new Array<number>((WEEK.to - WEEK.from) / 3_600_000).fill(0);
  let events = 0;
  const [reached, reachedByType] = [new Map<string, number>(), new Map<Type, Set<string>>()];
  const active = new Set<string>();
  const activeByDay = Array.from({ length: 7 }, () => new Set<string>());
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line === '') continue;
    const [actor = '', receiver = '', second = '', code = ''] = line.split(' ');
    const type = TYPES[code as keyof typeof TYPES];
    events++;
    add(total, type);
    add(of(receivers, receiver), type);
    add(of(actors, actor), type);
    if (type !== 'mention') add(of(shares, hourlyShare(receiver, Number(second) * 1_000)), type);
    const hour = Math.floor((Number(second) * 1_000 - WEEK.from) / 3_600_000);
    if (receiver === USER && receivedByHour[hour] !== undefined) receivedByHour[hour]++;
    const day = activeByDay[Math.floor(hour / 24)];
    if (day === undefined) continue;
    day.add(actor);
    active.add(actor);
    if (receiver !== USER) continue;
    reached.set(actor, (reached.get(actor) ?? 0) + 1);
    const ofType = reachedByType.get(type) ?? new Set<string>();
    reachedByType.set(type, ofType.add(actor));
  }
  const [actor, made] = most(actors)[0] ?? ['', new Map()];
  const [share, shared] = most(shares)[0] ?? ['', new Map()];
  return {
    events,
    total,
    received: receivers.get(USER) ?? new Map(),
    receivedByHour,
    made: { actor, counts: made },
    share: { id: share, counts: shared },
    top: most(receivers).map(([id, counts]) => ({ id, count: sum(counts) })),
    people: {
      reach: reached.size,
      byType: new Map([...reachedByType].map(([type, ids]) => [type, ids.size])),
      active: active.size,
      activeByDay: activeByDay.map(({ size }) => size),
    },
    who: [...reached]
      .map(([id, count]) => ({ id, count }))
      .sort((a, b) => b.count - a.count || Number(a.id) - Number(b.id))
      .slice(0, 20),
  };
}

function add(counts: Map<Type, number>, type: Type): void {
  counts.set(type, (counts.get(type) ?? 0) + 1);
}

function of(all: Map<string, Map<Type, number>>, id: string): Map<Type, number> {
  let counts = all.get(id);
  if (counts === undefined) all.set(id, (counts = new Map<Type, number>()));
  return counts;
}

const most = (all: ReadonlyMap<string, Map<Type, number>>): [string, Map<Type, number>][] =>
  [...all].sort(([a, x], [b, y]) => sum(y) - sum(x) || (a < b ? -1 : 1)).slice(0, 20);
