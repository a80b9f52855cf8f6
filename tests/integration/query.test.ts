import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seriesScript, idScript, typesScript } from '../../backend/src/flux/translate.ts';
import type { Flux } from '../../backend/src/flux/literals.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import type { FrameJson } from '../../contract/answers.ts';
import { CALCULATION_NAMES, countsPeople, isSingle, type Label, type QueryFields } from '../../contract/query.ts';
import type { QueryRequest } from '../../backend/src/query/request.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import { overTheWire, type ReadService } from '../../backend/src/query/testing.ts';
import { prefixOf, type Schema } from '../../backend/src/schema/buckets.ts';
import { createBuckets, influxApi, influxWrite, parts } from '../support/parts.ts';
import { daysBefore, oracleWindows, type Length, type OracleEvent } from '../support/query-oracle.ts';
import { chooser } from '../support/seeded.ts';
import { variableSecret } from '../../backend/src/secrets.ts';

const TYPES = ['like', 'share', 'view'];
/** Two that share a prefix and differ only beyond 2^53, one shorter than a prefix, one that nothing happens to. */
const USERS = ['9007199254740993', '9007199254740992', '77', '123456'];
const SILENT = '1234567';
const SHARES = ['5f2c9b7a1d4e8a0012ab34cd', '5f2c9b7a1d4e8a0012ab34ce', '65ba3ac07b1f4e0012345678'];

let schema: Schema;
let reader: HttpInfluxReader;
let service: ReadService;
let events: OracleEvent[];

/** Clustered around the clock changes of spring and autumn 2026, in America and Europe, with quiet days between. */
function makeEvents(): OracleEvent[] {
  const random = chooser(7);
  const anchors = ['2026-03-08', '2026-03-29', '2026-04-05', '2026-10-04', '2026-10-25', '2026-11-01'].map((d) =>
    Date.parse(d),
  );
  return Array.from({ length: 4000 }, () => ({
    ms: random.pick(anchors) + Math.floor((random.next() - 0.5) * 5 * 86_400_000),
    type: random.pick(TYPES),
    made: random.pick(USERS),
    ...(random.next() < 0.8 ? { received: random.pick(USERS) } : {}),
    ...(random.next() < 0.6 ? { share: random.pick(SHARES) } : {}),
  }));
}

beforeAll(async () => {
  schema = {
    buckets: await createBuckets('query'),
    userPrefix: { by: 'first', length: 4 },
    sharePrefix: { by: 'first', length: 6 },
  };
  events = makeEvents();
  const time = (e: OracleEvent, i: number): string => `${e.ms}${String(i).padStart(6, '0')}`;
  const series = (e: OracleEvent, id: string, length: number): string =>
    `interaction,prefix=${prefixOf(id, { by: 'first', length })},type=${e.type}`;
  await influxWrite(
    schema.buckets.made,
    events.map((e, i) => `${series(e, e.made, 4)} user=${e.made}i,pair="${e.made}:${e.received ?? '0'}" ${time(e, i)}`),
  );
  await influxWrite(
    schema.buckets.received,
    events.flatMap((e, i) =>
      e.received === undefined
        ? []
        : [`${series(e, e.received, 4)} user=${e.received}i,pair="${e.received}:${e.made}" ${time(e, i)}`],
    ),
  );
  await influxWrite(
    schema.buckets.share,
    events.flatMap((e, i) =>
      e.share === undefined
        ? []
        : [`${series(e, e.share, 6)} share="${e.share}",pair="${e.share}:${e.made}" ${time(e, i)}`],
    ),
  );
  await influxWrite(
    schema.buckets.total,
    events.map((e, i) => {
      const fields = `made=${e.made}i,received=${e.received ?? '0'}i,share="${e.share ?? '-'}"`;
      // Half of the points as 0.1 wrote them: without the fields of ids that the event does not have.
      const written = i % 2 === 0 ? fields : fields.replace(',received=0i', '').replace(',share="-"', '');
      return `interaction,type=${e.type} ${written} ${time(e, i)}`;
    }),
  );
  const { url, org, token } = parts().influx;
  reader = new HttpInfluxReader({ host: url, org, token: variableSecret('INFLUX_TOKEN', token), timeoutMs: 30_000 });
  service = overTheWire(
    createQueryService({ influx: reader, schema, now: () => NOW_MS, logger: pino({ level: 'silent' }) }),
  );
});
afterAll(() => reader.close());

const NOW_MS = Date.parse('2027-01-01');
const CASES = [
  ['15m', { minutes: 15 }],
  ['30m', { minutes: 30 }],
  ['1h', { minutes: 60 }],
  ['90m', { minutes: 90 }],
  ['2h', { minutes: 120 }],
  ['6h', { minutes: 360 }],
  ['1d', { minutes: 1440 }],
  ['2d', { minutes: 2880 }],
  ['1w', { minutes: 10_080 }],
  ['1mo', { months: 1 }],
] as const satisfies readonly (readonly [string, Length])[];
const ZONES = [
  'UTC',
  'Europe/Paris',
  'America/New_York',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'America/Santiago',
];

interface Case {
  readonly request: QueryRequest;
  readonly query: { readonly refId: string } & Partial<QueryFields>;
  readonly length: Length;
  readonly fromMs: number;
  readonly toMs: number;
  readonly zone: string;
  /** Days that compareTo goes back. */
  readonly compareDays: number | undefined;
}

function randomCase(seed: number): Case {
  const random = chooser(seed);
  const [every, length] = random.pick(CASES);
  const zone = random.pick(ZONES);
  const long = 'months' in length || length.minutes >= 1440;
  const anchor = random.pick(events).ms;
  const fromMs = anchor - Math.floor(random.next() * (long ? 60 : 4) * 86_400_000);
  const toMs = anchor + 1 + Math.floor(random.next() * (long ? 60 : 4) * 86_400_000);
  const preset = random.pick(['made', 'received', 'share', 'everyone', 'pair'] as const);
  const ids =
    preset === 'everyone'
      ? []
      : preset === 'pair'
        ? random.pick([USERS.slice(0, 2), USERS.slice(1, 3), ['77', SILENT]])
        : preset === 'share'
          ? SHARES.slice(0, 1 + random.below(3))
          : [...USERS, SILENT].slice(random.below(3)).slice(0, 1 + random.below(3));
  const groupBy = random.pick<readonly Label[]>([['id', 'type'], ['id'], ['type'], []]);
  const calc = random.pick(CALCULATION_NAMES.filter((name) => preset !== 'pair' || !countsPeople(name)));
  // The oracle compares by number of the window, so it wants windows that divide the shift.
  const comparable = !long || every === '1d';
  const compareDays = comparable && random.next() < 0.4 ? random.pick([1, 7]) : undefined;
  const query: { readonly refId: string } & Partial<QueryFields> = {
    refId: 'A',
    preset,
    ids,
    types: random.pick([[], [], ['like'], ['view', 'never']]),
    every,
    calc,
    // Rows that are left out have tests of their own; here each is compared.
    incomplete: 'show',
    groupBy,
    ...(preset === 'pair' && random.next() < 0.5 ? { direction: 'both' as const } : {}),
    ...(compareDays === undefined ? {} : { compareTo: `${compareDays}d` }),
  };
  return {
    request: { from: fromMs, to: toMs, timezone: zone, queries: [query] },
    query,
    length,
    fromMs,
    toMs,
    zone,
    compareDays,
  };
}

/** How much of a window lies between two times, in ms. */
const overlap = (w: { startMs: number; endMs: number }, fromMs: number, untilMs: number): number =>
  Math.max(0, Math.min(w.endMs, untilMs) - Math.max(w.startMs, fromMs));

/** What the frame should hold, by label, worked out event by event. */
function expected(c: Case): { times: number[]; series: Map<string, (number | null)[]> } {
  const { query, fromMs, toMs, zone } = c;
  const asked = query.ids ?? [];
  const ids = query.preset === 'pair' && query.direction !== 'both' ? asked.slice(0, 1) : asked;
  const people = countsPeople(query.calc ?? 'count');
  const types = query.types ?? [];
  const byId = query.groupBy?.includes('id') === true && ids.length > 0;
  const byType = query.groupBy?.includes('type') === true;
  const total = isSingle(query.calc ?? 'count');
  const whole = (from: number, to: number) => [{ startMs: from, endMs: to, number: 0, occurrence: 0, key: '0/0' }];
  const layOut = (from: number, to: number) => (total ? whole(from, to) : oracleWindows(from, to, c.length, zone));
  const windows = layOut(fromMs, toMs);

  const matching = (from: number, to: number): { e: OracleEvent; label: string }[] =>
    events.flatMap((e) => {
      if (e.ms < from || e.ms >= to || (types.length > 0 && !types.includes(e.type))) return [];
      const role = query.preset === 'pair' ? 'made' : (query.preset as 'made' | 'received' | 'share');
      const id = query.preset === 'everyone' ? '' : e[role];
      if (query.preset !== 'everyone' && (id === undefined || !ids.includes(id))) return [];
      if (query.preset === 'pair' && (e.received === undefined || e.received === id || !asked.includes(e.received)))
        return [];
      if (people && personOf(e) === undefined) return [];
      return [{ e, label: `${byId ? (id ?? '') : ''}|${byType ? e.type : ''}` }];
    });
  /** What is counted: each event, or whoever was at the other end. */
  const personOf = (e: OracleEvent): string | undefined => (query.preset === 'made' ? e.received : e.made);
  const members = (
    found: { e: OracleEvent; label: string }[],
    label: string,
    in_: readonly { startMs: number; endMs: number }[],
  ): Set<unknown>[] =>
    in_.map(
      (w) =>
        new Set(
          found
            .filter(({ e, label: l }) => l === label && e.ms >= w.startMs && e.ms < w.endMs)
            .map(({ e }) => (people ? personOf(e) : e)),
        ),
    );
  const labelsOf = (found: { label: string }[]): string[] => {
    const out = new Set<string>();
    for (const id of byId ? ids : ['']) {
      const seen = new Set(found.map((f) => f.label).filter((label) => label.startsWith(`${id}|`)));
      if (!byType) out.add(`${id}|`);
      else if (types.length > 0) for (const type of types) out.add(`${id}|${type}`);
      else if (seen.size === 0) out.add(`${id}|`);
      else for (const label of seen) out.add(label);
    }
    return [...out];
  };
  /** @param absent whether a window of no length is one that the earlier day did not have */
  const calculate = (values: number[], lengths: number[], absent: boolean): (number | null)[] => {
    let sum = 0;
    if (query.calc === 'cumulative') return values.map((v) => (sum += v));
    return values.map((v, i) =>
      lengths[i] === 0 && absent ? null : query.calc !== 'rate' ? v : lengths[i] === 0 ? 0 : v / (lengths[i]! / 1000),
    );
  };

  const found = matching(fromMs, toMs);
  const series = new Map<string, (number | null)[]>();
  for (const label of labelsOf(found))
    series.set(
      label,
      calculate(
        members(found, label, windows).map(({ size }) => size),
        windows.map((w) => overlap(w, fromMs, Math.min(toMs, NOW_MS))),
        false,
      ),
    );

  if (c.compareDays !== undefined) {
    const [from, to] = [daysBefore(fromMs, c.compareDays, zone), daysBefore(toMs, c.compareDays, zone)];
    const earlierFound = matching(from, to);
    const earlier = layOut(from, to);
    const step = total || !('minutes' in c.length) ? 0 : (c.compareDays * 1440) / c.length.minutes;
    const placeOf = (w: { number: number; occurrence: number }): number => {
      const place = (occurrence: number) =>
        windows.findIndex((now) => now.number === w.number + step && now.occurrence === occurrence);
      return place(w.occurrence) === -1 ? place(0) : place(w.occurrence);
    };
    const nowLabels = [...series.keys()];
    for (const label of new Set([...nowLabels, ...labelsOf(earlierFound)])) {
      const isPlaceholder = byType && label.endsWith('|');
      const siblings = (l: string): boolean => l.split('|')[0] === label.split('|')[0] && !l.endsWith('|');
      if (isPlaceholder && (!nowLabels.includes(label) || earlierFound.some((f) => siblings(f.label)))) continue;
      const lengths = windows.map(() => 0);
      const values = windows.map(() => new Set<unknown>());
      const endsMs = windows.map(() => -Infinity);
      members(earlierFound, label, earlier).forEach((some, i) => {
        const place = placeOf(earlier[i]!);
        if (place === -1) return;
        for (const member of some) values[place]!.add(member);
        lengths[place]! += overlap(earlier[i]!, from, to);
        endsMs[place] = earlier[i]!.endMs;
      });
      // All that happened until a window's end, in hours that today does not have as well.
      const until = (endMs: number): number => earlierFound.filter((f) => f.label === label && f.e.ms < endMs).length;
      series.set(
        `${label}|compare`,
        query.calc === 'cumulative'
          ? endsMs.map((_, i) => until(Math.max(...endsMs.slice(0, i + 1))))
          : calculate(
              values.map(({ size }) => size),
              lengths,
              true,
            ),
      );
    }
  }
  return { times: windows.map((w) => w.startMs), series };
}

function answered(frame: FrameJson): { times: number[] | undefined; series: Map<string, (number | null)[]> } {
  const series = new Map<string, (number | null)[]>();
  let times: number[] | undefined;
  frame.schema.fields.forEach((field, i) => {
    const values = (frame.data.values[i] ?? []) as (number | null)[];
    if (field.type === 'time') times = values as number[];
    else {
      const { id = '', type = '', compare } = field.labels ?? {};
      series.set(`${id}|${type}${compare === undefined ? '' : '|compare'}`, values);
    }
  });
  return { times, series };
}

/** Whether a comparison begins or ends where the wall clock is ambiguous, for which the oracle has another, equally good answer. */
function ambiguous(c: Case): boolean {
  if (c.compareDays === undefined) return false;
  return [c.fromMs, c.toMs].some((ms) => {
    const earlier = daysBefore(ms, c.compareDays ?? 0, c.zone);
    return daysBefore(earlier, -(c.compareDays ?? 0), c.zone) !== ms;
  });
}

describe('queries on a real InfluxDB', () => {
  const seeds = Array.from({ length: 8 }, (_, i) => i);
  it.each(seeds)('agree with counting one by one, in 25 random questions (set %d)', async (set) => {
    for (let seed = set * 25; seed < set * 25 + 25; seed++) {
      const c = randomCase(seed);
      if (ambiguous(c)) continue;
      const { results } = await service.query(c.request);
      const result = results['A']!;
      const about = `seed ${seed}: ${JSON.stringify(c.request)}`;
      if ('error' in result) throw new Error(`${about}: ${result.error}`);
      const answer = answered(result.frames[0]!);
      const wanted = expected(c);
      if (!isSingle(c.query.calc ?? 'count')) expect(answer.times, about).toEqual(wanted.times);
      expect([...answer.series.keys()].sort(), about).toEqual([...wanted.series.keys()].sort());
      for (const [label, values] of wanted.series) {
        const got = answer.series.get(label) ?? [];
        expect(got.length, `${about} ${label}`).toBe(values.length);
        values.forEach((value, i) => {
          if (value === null) expect(got[i], `${about} ${label} at ${i}`).toBeNull();
          else expect(got[i], `${about} ${label} at ${i}`).toBeCloseTo(value, 9);
        });
      }
    }
  });

  it.each(['made', 'received', 'share'] as const)('top of %s agrees with counting one by one', async (of) => {
    const [fromMs, toMs] = [Date.parse('2026-03-28T12:34:56.789Z'), Date.parse('2026-10-25T00:00:00Z')];
    const counts = new Map<string, number>();
    for (const e of events) {
      const id = e[of];
      if (id !== undefined && e.ms >= fromMs && e.ms < toMs && e.type !== 'share')
        counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const wanted = [...counts]
      .map(([id, count]) => ({ id, count }))
      .sort((a, b) => b.count - a.count || a.id.length - b.id.length || (a.id < b.id ? -1 : 1));
    const input = { of, from: fromMs, to: toMs, types: ['like', 'view'] };
    await expect(service.top({ ...input, n: 100 })).resolves.toEqual({ top: wanted });
    await expect(service.top({ ...input, n: 2 })).resolves.toEqual({ top: wanted.slice(0, 2) });
    const { results } = await service.query({
      from: fromMs,
      to: toMs,
      queries: [{ refId: 'T', preset: 'top', of, types: ['like', 'view'], n: 2 }],
    });
    expect(results['T']).toMatchObject({
      frames: [{ data: { values: [wanted.slice(0, 2).map((w) => w.id), wanted.slice(0, 2).map((w) => w.count)] } }],
    });
  });

  it.each([
    ['received', '9007199254740993'],
    ['made', '77'],
    ['share', SHARES[0]!],
  ] as const)('who of %s %s agrees with counting one by one', async (of, id) => {
    const [fromMs, toMs] = [Date.parse('2026-03-28T12:34:56.789Z'), Date.parse('2026-10-25T00:00:00Z')];
    const counts = new Map<string, number>();
    for (const e of events) {
      const other = of === 'made' ? e.received : e.made;
      if (e[of] === id && other !== undefined && e.ms >= fromMs && e.ms < toMs && e.type !== 'share')
        counts.set(other, (counts.get(other) ?? 0) + 1);
    }
    const wanted = [...counts]
      .map(([other, count]) => ({ id: other, count }))
      .sort((a, b) => b.count - a.count || a.id.length - b.id.length || (a.id < b.id ? -1 : 1));
    expect(wanted.length).toBeGreaterThan(1);
    const input = { of, id, from: fromMs, to: toMs, types: ['like', 'view'] };
    await expect(service.who({ ...input, n: 100 })).resolves.toEqual({ who: wanted, people: wanted.length });
    await expect(service.who({ ...input, n: 1 })).resolves.toEqual({
      who: wanted.slice(0, 1),
      people: wanted.length,
    });
    await expect(service.who({ ...input, id: of === 'share' ? '0'.repeat(24) : SILENT })).resolves.toEqual({
      who: [],
      people: 0,
    });
  });

  it('says how many points were stored without their counterpart, and counts the others', async () => {
    const lines = ['', ',pair="4321:9"', ',pair="4321:9"', ',pair="4321:0"'].map(
      (pair, i) => `interaction,prefix=4321,type=like user=4321i${pair} ${Date.parse('2026-05-01')}00000${i}`,
    );
    await influxWrite(schema.buckets.made, lines);
    const { results } = await service.query({
      from: '2026-05-01T00:00:00Z',
      to: '2026-05-02T00:00:00Z',
      queries: [
        { refId: 'unique', preset: 'made', ids: ['4321'], calc: 'unique', every: '1d' },
        { refId: 'pair', preset: 'pair', ids: ['4321', '9'], every: '1d' },
        { refId: 'who', preset: 'who', of: 'made', ids: ['4321'] },
        { refId: 'count', preset: 'made', ids: ['4321'], every: '1d' },
      ],
    });
    const seen = Object.entries(results).map(([refId, result]) => {
      if (!('frames' in result)) throw new Error(`${refId}: ${JSON.stringify(result)}`);
      const { schema: shape, data } = result.frames[0]!;
      return [refId, data.values[1], shape.meta?.notices?.map(({ text }) => text.slice(0, 49))];
    });
    const notice = ['1 interaction in this range was stored before User'.slice(0, 49)];
    expect(seen).toEqual([
      ['unique', [1], notice],
      ['pair', [2], notice],
      ['who', [2], notice],
      ['count', [4], undefined],
    ]);
  });

  it('top of a range without events is empty', async () => {
    await expect(service.top({ of: 'made', from: 0, to: 1000 })).resolves.toEqual({ top: [] });
  });

  it('lists the types of a range', async () => {
    await expect(service.types({ from: '2026-01-01T00:00:00Z', to: '2027-01-01T00:00:00Z' })).resolves.toEqual(TYPES);
    await expect(service.types({ from: '2020-01-01T00:00:00Z', to: '2020-02-01T00:00:00Z' })).resolves.toEqual([]);
    // To the millisecond, though InfluxDB keeps all of the week in one shard.
    const first = events.reduce((a, b) => (b.ms < a.ms ? b : a));
    const next = Math.min(...events.filter((e) => e.ms > first.ms).map((e) => e.ms));
    await expect(service.types({ from: first.ms, to: next })).resolves.toEqual([first.type]);
  });

  it('says of a type that has never occurred that it has not, and of one that has nothing', async () => {
    const notices = async (types: string[]): Promise<unknown> => {
      const { results } = await service.query({
        from: '2026-01-01T00:00:00Z',
        to: '2027-01-01T00:00:00Z',
        queries: [{ refId: 'A', preset: 'everyone', types, every: '7d' }],
      });
      const result = results['A'];
      return result !== undefined && 'frames' in result ? result.frames[0]?.schema.meta?.notices : result;
    };
    expect(await notices([TYPES[0]!])).toBeUndefined();
    expect(await notices(['lik'])).toEqual([
      { severity: 'warning', text: expect.stringContaining('No interaction of type "lik" has ever been stored.') },
    ]);
  });
});

describe('every kind of script', () => {
  const analyze = async (script: Flux): Promise<unknown> =>
    ((await influxApi('POST', '/api/v2/query/analyze', { query: script.text, type: 'flux' })) as { errors: unknown })
      .errors;
  const range = { fromMs: 0, toMs: 1_767_225_600_000 };
  const stream = {
    kind: 'counts' as const,
    name: 'A',
    preset: 'made' as const,
    ids: ['9223372036854775807'],
    types: [],
    ...range,
    grain: { everyMs: 1, offsetMs: 0 },
  };

  it('is Flux to InfluxDB, whatever the names in it', async () => {
    const hostile = [
      '"',
      '\\',
      '${1}',
      '\n',
      '") |> drop(columns: ["_value"]) //',
      "'",
      '\\"',
      '\\${',
      '😀',
      '$',
      '{}',
      '\t\r',
    ];
    for (const text of hostile) {
      const named = { ...schema, buckets: { ...schema.buckets, made: text } };
      expect(await analyze(seriesScript([{ ...stream, name: text, types: [text, 'x'] }], named)), text).toEqual([]);
    }
    const scripts = [
      seriesScript(
        [
          stream,
          { ...stream, name: 'B', grain: null },
          { ...stream, name: 'C', grain: { everyMs: 5_400_000, offsetMs: 900_000 } },
        ],
        schema,
      ),
      seriesScript([{ ...stream, preset: 'share', ids: SHARES }], schema),
      seriesScript([{ ...stream, preset: 'everyone', ids: [] }], schema),
      idScript({ preset: 'share', types: TYPES, ...range }, schema),
      typesScript(range, schema),
    ];
    for (const script of scripts) expect(await analyze(script), script.text).toEqual([]);
  });

  it('is recognised as broken when it is, so that the check above means something', async () => {
    const broken = { text: 'from(bucket: "x") |> range(start: ' } as Flux;
    expect(await analyze(broken)).not.toEqual([]);
  });

  it('finds a type whose name is hostile, and nothing else', async () => {
    const type = 'a"b${c}';
    await influxWrite(schema.buckets.total, [`interaction,type=${type} made=1i 1000000000000000`]);
    const rows: string[] = [];
    await reader.rows(
      seriesScript(
        [{ ...stream, preset: 'everyone', ids: [], types: [type], ...range, toMs: 2_000_000_000, grain: null }],
        schema,
      ),
      () => (row) => rows.push(row.join()),
    );
    expect(rows).toHaveLength(1);
  });
});

describe('what InfluxDB refuses', () => {
  const at = (over: object, named: Partial<Schema['buckets']> = {}) => {
    const { url, org, token } = parts().influx;
    const influx = new HttpInfluxReader({
      host: url,
      org,
      token: variableSecret('INFLUX_TOKEN', token),
      timeoutMs: 30_000,
      ...over,
    });
    const other = overTheWire(
      createQueryService({
        influx,
        schema: { ...schema, buckets: { ...schema.buckets, ...named } },
        now: Date.now,
        logger: pino({ level: 'silent' }),
      }),
    );
    return async (signal?: AbortSignal) => {
      try {
        return (
          await other.query(
            { from: 0, to: Date.now(), queries: [{ refId: 'A', preset: 'everyone', calc: 'total' }] },
            { signal },
          )
        ).results['A'];
      } finally {
        await influx.close();
      }
    };
  };

  it.each<[string, object, Partial<Schema['buckets']>, string, string]>([
    ['a wrong token', { token: variableSecret('INFLUX_TOKEN', 'wrong') }, {}, 'influx_unauthorized', 'INFLUX_TOKEN'],
    ['an unknown organisation', { org: 'nobody' }, {}, 'influx_not_found', 'INFLUX_ORG'],
    ['an unknown bucket', {}, { total: 'no-such-bucket' }, 'influx_not_found', 'no-such-bucket'],
    ['a closed port', { host: 'http://127.0.0.1:9' }, {}, 'influx_unreachable', 'INFLUX_HOST'],
    ['too short a time', { timeoutMs: 0 }, {}, 'query_timeout', 'USERPULSE_QUERY_TIMEOUT_MS'],
  ])('is said with its remedy: %s', async (_, over, named, errorCode, word) => {
    expect(await at(over, named)()).toMatchObject({ errorCode, error: expect.stringContaining(word), frames: [] });
  });

  it('a query that its caller gives up ends', async () => {
    const left = new Error('left');
    await expect(at({})(AbortSignal.abort(left))).rejects.toBe(left);
  });
});

describe('a live stream', () => {
  it('sends a window after its point has been written', async () => {
    const live = createQueryService({ influx: reader, schema, now: Date.now, logger: pino({ level: 'silent' }) });
    const stop = new AbortController();
    const stream = live
      .live({ preset: 'made', ids: ['424242'], types: ['like'], every: '1h', timezone: 'UTC' }, stop.signal)
      [Symbol.asyncIterator]();
    const until = async (value: number): Promise<unknown> => {
      for (;;) {
        const next = await stream.next();
        if (next.done === true) throw new Error('The stream ended.');
        if (next.value.kind === 'window' && next.value.window.partial && next.value.window.value === value)
          return next.value.window;
      }
    };
    await until(0);
    await influxWrite(schema.buckets.made, [`interaction,prefix=4242,type=like user=424242i ${Date.now()}000000`]);
    expect(await until(1)).toMatchObject({ id: '424242', type: 'like', value: 1, partial: true });
    stop.abort();
    await expect(stream.next()).resolves.toMatchObject({ done: true });
  });
});
