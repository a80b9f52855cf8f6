import { higgsEvent } from '../../../backend/src/produce/higgs-event.ts';
import { seededRandom } from '../../../backend/src/produce/random.ts';
import { findHiggsFile, readHiggsLines } from '../../../tools/higgs.ts';

/** Ids as a product might give them out. */
export interface IdSet {
  readonly name: string;
  readonly kind: 'user' | 'share';
  /** Events by id. */
  readonly events: ReadonlyMap<string, number>;
}

const once = (ids: Iterable<string>): ReadonlyMap<string, number> => new Map([...ids].map((id) => [id, 1]));

/** @param count ids of each made-up kind */
export function idSets(count: number): IdSet[] {
  const random = seededRandom(11);
  const sets: IdSet[] = [
    {
      name: `sequential, 10,000,000 to ${(10_000_000 + count).toLocaleString('en-US')}`,
      kind: 'user',
      events: once(Array.from({ length: count + 1 }, (_, i) => String(10_000_000 + i))),
    },
    {
      name: 'random, 7 digits',
      kind: 'user',
      events: once(Array.from({ length: count }, () => String(1_000_000 + Math.floor(random() * 9_000_000)))),
    },
    {
      // Twitter's form: 41 bits of milliseconds, 10 of the machine, 12 that count within the millisecond; users of two years, 8 machines.
      name: 'snowflakes of two years, 19 digits',
      kind: 'user',
      events: once(
        Array.from({ length: count }, () =>
          String((BigInt(Math.floor(360e9 + random() * 63e9)) << 22n) | (BigInt(Math.floor(random() * 8)) << 12n) | 0n),
        ),
      ),
    },
    {
      name: 'ObjectIds of a week, one every 2 s',
      kind: 'share',
      events: once(
        Array.from({ length: 302_400 }, (_, i) => {
          const second = 1_767_571_200 + i * 2;
          return `${second.toString(16)}65ba3ac0${Math.floor(random() * 2 ** 32)
            .toString(16)
            .padStart(8, '0')}`;
        }),
      ),
    },
  ];
  const higgs = higgsIds();
  return higgs === undefined ? sets : [higgs, ...sets];
}

/** Actors of the Higgs file with their events; undefined where the file is not here. */
function higgsIds(): IdSet | undefined {
  const file = findHiggsFile();
  if (file === undefined) return undefined;
  const events = new Map<string, number>();
  for (const line of readHiggsLines(file)) {
    const event = higgsEvent(line);
    if (event !== undefined) events.set(event.actorId, (events.get(event.actorId) ?? 0) + 1);
  }
  return { name: 'Higgs, actors', kind: 'user', events };
}
