import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { Range } from './api.ts';

/** What a Higgs file says by itself, counted line by line without any of Userpulse's code. */
export interface HiggsFacts {
  readonly lines: number;
  /** Lines that name a share by our mapping: retweets and replies. */
  readonly withShare: number;
  readonly range: Range;
  readonly mostReceived: { readonly id: string; readonly byType: ReadonlyMap<string, number> };
  readonly mostMade: { readonly id: string; readonly count: number };
}

const TYPE: Readonly<Record<string, string>> = { RT: 'retweet', MT: 'mention', RE: 'reply' };

export async function higgsFacts(path: string): Promise<HiggsFacts> {
  const file = createReadStream(path);
  const unzipped = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  // pipe() does not carry errors on.
  file.on('error', (error) => unzipped.destroy(error));
  let lines = 0;
  let withShare = 0;
  let first = Infinity;
  let last = -Infinity;
  const made = new Map<string, number>();
  const received = new Map<string, Map<string, number>>();
  for await (const line of createInterface({ input: unzipped, crlfDelay: Infinity })) {
    if (line === '') continue;
    const [actor = '', receiver = '', second = '', code = ''] = line.split(' ');
    const type = TYPE[code];
    if (type === undefined || !/^\d+$/.test(second)) {
      throw new Error(`${path}, line ${lines + 1} is not "actor receiver unix_seconds RT|MT|RE": ${line.slice(0, 80)}`);
    }
    lines++;
    if (code !== 'MT') withShare++;
    first = Math.min(first, Number(second));
    last = Math.max(last, Number(second));
    made.set(actor, (made.get(actor) ?? 0) + 1);
    let byType = received.get(receiver);
    if (byType === undefined) received.set(receiver, (byType = new Map<string, number>()));
    byType.set(type, (byType.get(type) ?? 0) + 1);
  }
  if (lines === 0) throw new Error(`${path} holds no lines.`);
  const sum = (byType: ReadonlyMap<string, number>): number => [...byType.values()].reduce((a, b) => a + b, 0);
  const [receiverId, byType] = [...received].reduce((a, b) => (sum(b[1]) > sum(a[1]) ? b : a));
  const [actorId, count] = [...made].reduce((a, b) => (b[1] > a[1] ? b : a));
  return {
    lines,
    withShare,
    range: { fromMs: first * 1000, toMs: (last + 1) * 1000 },
    mostReceived: { id: receiverId, byType },
    mostMade: { id: actorId, count },
  };
}
