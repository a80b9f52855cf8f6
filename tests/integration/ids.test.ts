import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { prefixOf } from '../../contract/prefix.ts';
import type { IdFormats } from '../../contract/ids.ts';
import { registerCompact } from '../../backend/src/commands/compact.ts';
import { registerForget } from '../../backend/src/commands/forget.ts';
import { registerRepair } from '../../backend/src/commands/repair.ts';
import { registerReplay } from '../../backend/src/commands/replay.ts';
import { registerRollup } from '../../backend/src/commands/rollup.ts';
import { UserpulseServer } from '../support/cli.ts';
import { runInProcess } from '../support/command.ts';
import type { TestEvent } from '../support/ingest-world.ts';
import { ROLES, type Role } from '../support/oracle.ts';
import { createBuckets, temporaryFolder, usePartsEnvironment } from '../support/parts.ts';
import { chooser } from '../support/seeded.ts';
import { everyByte, storedFields, tableRows } from '../support/stored.ts';
import { worldsOfEachTest } from '../support/worlds-of-each-test.ts';

/*
 * Ids of other formats through the whole chain: stream, buckets, questions, archive, replay, repair, table, forget. What is expected is counted here
 * from the events alone. The texts are such as an escaper, a regular expression or a separator could take for something else.
 */

beforeAll(() => usePartsEnvironment());
const { world } = worldsOfEachTest();
const cwd = await temporaryFolder('ids');

const UUID = '9b2f6c1e-4d0a-4f5e-8a37-2f1c9d7e6b10';
const TEXT_USERS = [
  UUID,
  UUID.toUpperCase(),
  'auth0|ada',
  'auth0',
  'ada',
  // As regular expressions, the first of each pair would find the second.
  'a.c',
  'abc',
  'a+',
  'aa',
  'x|y',
  'x',
  '..',
  // What separates ids elsewhere.
  'did:plc:7',
  'did',
  'plc:7',
  'a:b',
  // Slashes end a regular expression in Flux, and are escaped by some writers of JSON.
  'a/b',
  'http://x.y/users/1',
  '/',
  '//',
  // What begins like nobody.
  '--',
  '-1',
  '-a',
  '00',
  '0a',
  // What means something in line protocol, tags or texts of counted hours.
  'user=1',
  '=',
  'a@b.c+d',
  '~',
  '88',
  '088',
  'ada'.repeat(42),
];
const TEXT_SHARES = [
  'at://did:plc:7/app.bsky.feed.post/3k2',
  'at://did:plc:7/app.bsky.feed.post/3k2=',
  'at://did:plc:7/app+bsky.feed.post/3k2',
  '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  'ada',
  'a.c',
  '|',
  '88',
];
const NUMBERS = ['1', '7', '10', '88', '9007199254740993', '9007199254740992', '9223372036854775807'];

interface Case {
  readonly name: string;
  readonly formats: IdFormats;
  readonly users: readonly string[];
  readonly shares: readonly string[];
  readonly me: string;
  readonly myShare: string;
  /** Records that are no events because of an id. */
  readonly poison: readonly Readonly<Record<string, unknown>>[];
}

const CASES: readonly Case[] = [
  {
    name: 'text',
    formats: { user: 'text', share: 'text' },
    users: TEXT_USERS,
    shares: TEXT_SHARES,
    me: 'auth0|ada',
    // A part of no other.
    myShare: 'at://did:plc:7/app+bsky.feed.post/3k2',
    poison: [
      { actorId: 88, shareId: 'ada' },
      { actorId: 'a"b', shareId: 'ada' },
      { actorId: 'a\\', shareId: 'ada' },
      { actorId: 'a b', shareId: 'ada' },
      { actorId: 'a,b', shareId: 'ada' },
      { actorId: 'a\n', shareId: 'ada' },
      { actorId: '${r._value}', shareId: 'ada' },
      { actorId: '-', shareId: 'ada' },
      { actorId: 'null', shareId: 'ada' },
      { actorId: '', shareId: 'ada' },
      { actorId: 'a'.repeat(129), shareId: 'ada' },
      { actorId: 'ada', shareId: 'm\u00fcller' },
    ],
  },
  {
    name: 'int64 users, text shares',
    formats: { user: 'int64', share: 'text' },
    users: NUMBERS,
    shares: TEXT_SHARES,
    me: '9007199254740993',
    myShare: 'a.c',
    poison: [{ actorId: 'ada', shareId: 'ada' }],
  },
  {
    name: 'text users, int64 shares',
    formats: { user: 'text', share: 'int64' },
    users: TEXT_USERS,
    shares: NUMBERS,
    me: 'a.c',
    myShare: '9007199254740993',
    poison: [{ actorId: 'ada', shareId: 'ada' }],
  },
];

const DAY_MS = Date.UTC(2012, 6, 2);
const DAYS = ['--from', '2012/07/01', '--to', '2012/07/03'];
const RANGE = { from: '2012-07-02T00:00:00Z', to: '2012-07-03T00:00:00Z' };
const TYPES = ['like', 'reply'];

function eventsOf({ users, shares, name }: Case): TestEvent[] {
  const random = chooser(name.length);

  return Array.from({ length: 3_000 }, (_, n): TestEvent => ({
    eventId: `${name}-${n}`,
    type: random.pick(TYPES),
    occurredAt: DAY_MS + Math.floor(random.next() * 86_400_000),
    // Some users far more often than others.
    actorId: n % 3 === 0 ? random.pick(users.slice(0, 5)) : random.pick(users),
    ...(n % 4 === 0 ? {} : { receiverId: random.pick(users) }),
    ...(n % 4 === 1 ? {} : { shareId: random.pick(shares) }),
  }));
}

/** As producers write them: some with slashes escaped, numbers with and without quotes. */
const written = (event: TestEvent, n: number): Buffer => {
  const text = JSON.stringify(event);
  return Buffer.from(n % 3 === 0 ? text.replaceAll('/', '\\/') : text);
};

function expected(
  events: readonly TestEvent[],
  formats: IdFormats,
  gone: { readonly user?: string; readonly share?: string } = {},
): Record<Role, string[]> {
  const all: Record<Role, string[]> = { made: [], received: [], share: [], total: [] };
  const noUser = formats.user === 'text' ? '-' : '0';
  const noShare = formats.share === 'int64' ? '0' : '-';
  const separator = formats.user === 'text' || formats.share === 'text' ? ' ' : ':';
  const prefix = (id: string, format: string): string =>
    prefixOf(
      id,
      format === 'int64' && formats.share === 'text' ? { by: 'first', length: 4 } : { by: 'hash', length: 3 },
    );
  for (const { type, occurredAt, ...ids } of events) {
    const user = (id: string | undefined): string => (id === undefined || id === gone.user ? noUser : id);
    const [actor, receiver] = [user(ids.actorId), user(ids.receiverId)];
    const share = ids.shareId === undefined || ids.shareId === gone.share ? noShare : ids.shareId;
    const add = (role: Role, tag: string, fields: Readonly<Record<string, string>>): void => {
      for (const [field, value] of Object.entries(fields))
        all[role].push(`${type} ${tag} ${field} ${occurredAt} ${value}`);
    };
    if (actor !== noUser)
      add('made', prefix(actor, formats.user), { user: actor, pair: `${actor}${separator}${receiver}` });
    if (receiver !== noUser)
      add('received', prefix(receiver, formats.user), { user: receiver, pair: `${receiver}${separator}${actor}` });
    if (share !== noShare)
      add('share', prefixOf(share, { by: 'hash', length: 3 }), { share, pair: `${share}${separator}${actor}` });
    if (actor !== noUser) add('total', '', { made: actor, received: receiver, share });
  }
  for (const role of ROLES) all[role].sort();
  return all;
}

type Values = readonly (number | string | null)[];
interface Frame {
  readonly schema: { readonly fields: readonly { readonly labels?: Readonly<Record<string, string>> }[] };
  readonly data: { readonly values: readonly Values[] };
}

class Questions {
  readonly #server: UserpulseServer;
  constructor(server: UserpulseServer) {
    this.#server = server;
  }

  async frame(query: object): Promise<Frame> {
    const { A } = (await this.#server.query({ ...RANGE, queries: [{ refId: 'A', ...query }] })) as {
      A: { frames: [Frame]; error?: string };
    };
    if (A.error !== undefined) throw new Error(A.error);
    return A.frames[0];
  }

  /** By id: one number each. */
  async byId(query: { readonly preset: string; readonly ids: readonly string[]; readonly calc?: string }) {
    const { schema, data } = await this.frame({ calc: 'total', groupBy: ['id'], ...query });
    return new Map(
      schema.fields.flatMap(({ labels }, n) =>
        labels?.['id'] === undefined ? [] : [[labels['id'], Number(data.values[n]?.[0] ?? 0)]],
      ),
    );
  }

  async rows(query: object): Promise<(readonly [id: string, count: number])[]> {
    const { data } = await this.frame({ n: 1000, ...query });
    const [ids = [], counts = []] = data.values;
    return ids.map((id, n) => [String(id), Number(counts[n])]);
  }

  async sum(query: object): Promise<number> {
    const { data } = await this.frame({ calc: 'total', groupBy: [], ...query });
    return Number(data.values.flat()[0] ?? 0);
  }
}

/** Ids by how often they occur, then in the order of their format. */
function ranked(ids: readonly (string | undefined)[], format: string): (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const id of ids) if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  const before = (a: string, b: string): number =>
    format === 'int64' ? (BigInt(a) < BigInt(b) ? -1 : 1) : a < b ? -1 : 1;
  return [...counts].sort(([a, n], [b, m]) => m - n || before(a, b));
}

const nonZero = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].filter(([, count]) => count > 0));

async function answersAreRight(asked: Questions, { users, shares, formats }: Case, events: readonly TestEvent[]) {
  const count = (ids: readonly (string | undefined)[]) => Object.fromEntries(ranked(ids, 'text'));
  expect(nonZero(await asked.byId({ preset: 'made', ids: users }))).toEqual(count(events.map((e) => e.actorId)));
  expect(nonZero(await asked.byId({ preset: 'received', ids: users }))).toEqual(count(events.map((e) => e.receiverId)));
  expect(nonZero(await asked.byId({ preset: 'share', ids: shares }))).toEqual(count(events.map((e) => e.shareId)));
  for (const [of, field] of [
    ['made', 'actorId'],
    ['received', 'receiverId'],
    ['share', 'shareId'],
  ] as const)
    expect(await asked.rows({ preset: 'top', of })).toEqual(
      ranked(
        events.map((event) => event[field]),
        of === 'share' ? formats.share : formats.user,
      ),
    );
  const different = (of: readonly TestEvent[], other: 'actorId' | 'receiverId') =>
    new Set(of.map((event) => event[other]).filter((id) => id !== undefined)).size;
  const reach = (
    field: 'actorId' | 'receiverId' | 'shareId',
    ids: readonly string[],
    other: 'actorId' | 'receiverId',
  ) =>
    Object.fromEntries(
      ids
        .map(
          (id) =>
            [
              id,
              different(
                events.filter((event) => event[field] === id),
                other,
              ),
            ] as const,
        )
        .filter(([, n]) => n > 0),
    );
  const unique = { calc: 'reach' };
  expect(nonZero(await asked.byId({ preset: 'received', ids: users, ...unique }))).toEqual(
    reach('receiverId', users, 'actorId'),
  );
  expect(nonZero(await asked.byId({ preset: 'made', ids: users, ...unique }))).toEqual(
    reach('actorId', users, 'receiverId'),
  );
  expect(nonZero(await asked.byId({ preset: 'share', ids: shares, ...unique }))).toEqual(
    reach('shareId', shares, 'actorId'),
  );
  expect(await asked.sum({ preset: 'everyone' })).toBe(events.length);
  for (const user of users)
    expect(await asked.rows({ preset: 'who', of: 'received', ids: [user] })).toEqual(
      ranked(
        events.filter((event) => event.receiverId === user).map((event) => event.actorId),
        formats.user,
      ),
    );
  for (const share of shares)
    expect(await asked.rows({ preset: 'who', of: 'share', ids: [share] })).toEqual(
      ranked(
        events.filter((event) => event.shareId === share).map((event) => event.actorId),
        formats.user,
      ),
    );
  for (const [n, a] of users.entries()) {
    const b = users[(n + 1) % users.length]!;
    const made = events.filter((event) => event.actorId === a && event.receiverId === b).length;
    const back = events.filter((event) => event.actorId === b && event.receiverId === a).length;
    expect(await asked.sum({ preset: 'pair', ids: [a, b] })).toBe(made);
    expect(await asked.sum({ preset: 'pair', ids: [a, b], direction: 'both' })).toBe(made + back);
  }
}

describe.each(CASES)('ids: $name', { timeout: 600_000 }, (test) => {
  it('go through the whole chain', async () => {
    const { formats, users, me, myShare, poison } = test;
    const settings = { USERPULSE_USER_ID: formats.user, USERPULSE_SHARE_ID: formats.share };
    const events = eventsOf(test);
    const w = await world({ shards: 2, env: settings });
    const env = w.env({ USERPULSE_ERASURE_KEY: 'a-key-of-the-tests-that-is-long-enough' });
    const run = (register: Parameters<typeof runInProcess>[0], args: readonly string[], more = {}) =>
      runInProcess(register, args, { ...env, ...more }, { cwd });

    const ingest = w.ingest();
    const wrong = poison.map((ids, n) =>
      JSON.stringify({ eventId: `p${n}`, type: 'like', occurredAt: DAY_MS, ...ids }),
    );
    await w.putBytes([
      ...events.map(written),
      ...events.slice(0, 50).map(written),
      ...wrong.map((text) => Buffer.from(text)),
    ]);
    await w.untilDurable();
    ingest.kill('SIGTERM');
    expect(await ingest.exit).toMatchObject({ code: 0 });
    expect(await storedFields(w.buckets)).toEqual(expected(events, formats));
    const letters = await w.storedLines('rejected');
    expect(letters.length).toBe(poison.length);
    for (const letter of letters) expect(letter).toMatch(/"code":"(actor|share)_id_invalid"/);

    const ask = async (look: (asked: Questions) => Promise<void>, more = {}): Promise<void> => {
      const server = await UserpulseServer.start('serve', { ...env, ...more });
      try {
        await look(new Questions(server));
      } finally {
        await server.stop();
      }
    };
    await ask(async (asked) => {
      await answersAreRight(asked, test, events);
      await expect(asked.byId({ preset: 'made', ids: ['a"b'] })).rejects.toThrow('is not a valid user ID');
    });
    // The same from counted hours, from a replay into other buckets, and after a repair that finds nothing to do.
    expect((await run(registerRollup, ['rollup', ...DAYS])).error).toBeUndefined();
    const fresh = await createBuckets('ids');
    expect((await run(registerReplay, ['replay', ...DAYS], fresh.env)).error).toBeUndefined();
    expect(await storedFields(fresh)).toEqual(expected(events, formats));
    expect((await run(registerRepair, ['repair', ...DAYS])).stdout).toContain(
      'Every event is there once: nothing to change.',
    );
    await ask((asked) => answersAreRight(asked, test, events));
    expect((await run(registerCompact, ['compact', '--day', '2012-07-02'])).error).toBeUndefined();
    if (w.archive.kind !== 'file') throw new Error('The archive is no folder.');
    const rows: string[] = [];
    for await (const { event } of tableRows(w.archive.folder))
      rows.push([event.actorId, event.receiverId, event.shareId].join(' '));
    const sent = [...events, ...events.slice(0, 50)];
    expect(rows.sort()).toEqual(sent.map((event) => [event.actorId, event.receiverId, event.shareId].join(' ')).sort());

    expect((await run(registerForget, ['forget', `--user=${me}`, '--state', join(cwd, 'user')])).error).toBeUndefined();
    expect(await storedFields(w.buckets)).toEqual(expected(events, formats, { user: me }));
    expect(
      (await run(registerForget, ['forget', `--share=${myShare}`, '--state', join(cwd, 'share')])).error,
    ).toBeUndefined();
    expect(await storedFields(w.buckets)).toEqual(expected(events, formats, { user: me, share: myShare }));
    // In no byte of any object, table or dead letter, however it was written.
    const left = [...(await everyByte(w.archive)).values()].map((bytes) => bytes.toString('latin1'));
    for await (const { line, event } of tableRows(w.archive.folder)) left.push(`${line} ${JSON.stringify(event)}`);
    for (const text of left) for (const id of [me, myShare]) expect(text.replaceAll('\\/', '/')).not.toContain(id);
    expect((await run(registerReplay, ['replay', ...DAYS])).error).toBeUndefined();
    expect(await storedFields(w.buckets)).toEqual(expected(events, formats, { user: me, share: myShare }));
    await ask(async (asked) => {
      const left = users.filter((user) => user !== me);
      const mine = await asked.byId({ preset: 'received', ids: [me, ...left] });
      expect(mine.get(me) ?? 0).toBe(0);
      expect(nonZero(mine)).toEqual(
        Object.fromEntries(
          ranked(
            events.map((event) => event.receiverId).filter((id) => id !== me),
            'text',
          ),
        ),
      );
    });
  });
});
