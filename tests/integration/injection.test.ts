import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  duration,
  flux,
  int,
  join,
  MAX_TIME_MS,
  MIN_TIME_MS,
  string,
  time,
  type Flux,
} from '../../backend/src/flux/literals.ts';
import { idScript, lackingScript, seriesScript, typesScript } from '../../backend/src/flux/translate.ts';
import { CALCULATION_NAMES } from '../../contract/query.ts';
import { AUTHORIZED, testServer } from '../../backend/src/http/testing.ts';
import type { App } from '../../backend/src/http/v1.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import { createQueryService } from '../../backend/src/query/service.ts';
import type { Schema } from '../../backend/src/schema/buckets.ts';
import { createBuckets, influxApi, influxCount, influxWrite, parts, uniqueName } from '../support/parts.ts';
import { variableSecret } from '../../backend/src/secrets.ts';

/**
 * No statement but ours ever runs. Each text input of the HTTP interface gets hostile text; a proxy before a real influxd notes every script
 * that arrives there, and influxd's own parser says what the script is. Beyond that, the layer below validation is given the same text.
 * `FUZZ_RUNS=20000` looks further.
 */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 80);
const TIMEOUT_MS = 120_000 + RUNS * 200;

/** What an injected statement would write to, or read its secret from. */
const CANARY = uniqueName('canary');
const SECRET = 'the-canary-sings';
const USER = '9007199254740993';
const SHARE = '65ba3ac07b1f4e0012345678';
const DAY = { from: '2026-01-31T00:00:00Z', to: '2026-02-01T00:00:00Z' };

let schema: Schema;
let app: App;
let proxy: Server;
let reader: HttpInfluxReader;
/** Every script that has reached influxd since it was last looked at. */
const executed = new Set<string>();

beforeAll(async () => {
  const buckets = await createBuckets('injection');
  await influxWrite(buckets.received, [`interaction,prefix=9007,type=like user=${USER}i 1769850000000000000`]);
  await influxWrite(buckets.total, [`interaction,type=like made=${USER}i,received=${USER}i 1769850000000000000`]);
  const { orgs } = z
    .object({ orgs: z.array(z.object({ id: z.string() })) })
    .parse(await influxApi('GET', `/api/v2/orgs?org=${parts().influx.org}`));
  await influxApi('POST', '/api/v2/buckets', { orgID: orgs[0]?.id, name: CANARY, retentionRules: [] });
  await influxWrite(CANARY, [`interaction,type=like secret="${SECRET}" 1769850000000000000`]);
  schema = { buckets, userPrefix: { by: 'first', length: 4 }, sharePrefix: { by: 'first', length: 6 } };

  const { url, org, token } = parts().influx;
  proxy = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      executed.add(z.object({ query: z.string() }).parse(JSON.parse(body)).query);
      void fetch(new URL(request.url ?? '/', url), {
        method: request.method ?? 'GET',
        headers: { authorization: request.headers.authorization ?? '', 'content-type': 'application/json' },
        body,
      }).then(async (answer) => response.writeHead(answer.status).end(await answer.text()));
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  reader = new HttpInfluxReader({
    host: `http://127.0.0.1:${port}`,
    org,
    token: variableSecret('INFLUX_TOKEN', token),
    timeoutMs: 30_000,
  });
  const logger = pino({ level: 'silent' });
  app = await testServer({ schema, service: createQueryService({ influx: reader, schema, now: Date.now, logger }) });
});
afterAll(async () => {
  await app.close();
  await reader.close();
  proxy.closeAllConnections();
  proxy.close();
});

/** influxd's parser on a script; it answers with an error where the script is none. */
async function parsed(script: string): Promise<Node> {
  const answer = z
    .object({ ast: z.object({ files: z.array(z.unknown()).length(1) }) })
    .parse(await influxApi('POST', '/api/v2/query/ast', { query: script }));
  return node.parse(answer.ast.files[0]);
}

// ── Hostile text ──

const PAYLOADS = [
  '"',
  '\\',
  '\\"',
  '$',
  '${',
  '${1+1}',
  '$${1+1}',
  '$\\',
  '$"',
  '$\\"',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '\u2028',
  '\u202e',
  '\ufeff',
  '\ud800',
  '\udfff\ud800',
  '１',
  '٣',
  "'",
  '`',
  ')',
  '(r) => true',
  ' or true',
  '//',
  '/*',
  '%00',
  '%22',
  '..',
  '/',
  '&',
  '=',
  ',',
  'import "os"',
  '__proto__',
  'constructor',
  `") |> to(bucket: "${CANARY}", org: "userpulse") //`,
  `"}) |> to(bucket: "${CANARY}") |> yield(name: "x") //`,
  `" or true) |> yield(name: "x")\nfrom(bucket: "${CANARY}") |> range(start: 0) |> yield(name: "y") //`,
  ` |> drop() from(bucket: "${CANARY}") |> range(start: 0) //`,
  '1) |> drop(columns: ["_value"]) //',
  '10m) |> drop(',
  '-1h',
  '2026-01-31T00:00:00Z) |> drop(',
  'now()',
  '1e3',
  '99999999999999999999999999',
];
const hostile = fc.oneof(
  fc.constantFrom(...PAYLOADS),
  fc
    .array(fc.oneof(fc.constantFrom(...PAYLOADS), fc.string({ unit: 'binary', maxLength: 6 })), { maxLength: 4 })
    .map((all) => all.join('')),
  fc.string({ unit: 'binary', maxLength: 80 }),
);
/** A good value with hostile text before, behind or within it, which gets further than hostile text alone. */
const around = (good: string): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(hostile, fc.nat(good.length)).map(([bad, at]) => good.slice(0, at) + bad + good.slice(at)),
    },
    { weight: 2, arbitrary: hostile },
    { weight: 1, arbitrary: fc.constant(good) },
  );
/** Most inputs good, some not: one bad one alone would hide what lies behind its refusal. */
const mostly = (good: string): fc.Arbitrary<string> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(good) }, around(good));
const list = (good: string): fc.Arbitrary<string[]> =>
  fc.array(fc.oneof({ weight: 9, arbitrary: fc.constant(good) }, around(good)), { minLength: 1, maxLength: 3 });

// ── What a script of ours is ──

interface Node {
  readonly type: string;
  readonly [name: string]: unknown;
}
const node: z.ZodType<Node> = z.looseObject({ type: z.string() });

const COLUMNS = ['_measurement', 'prefix', 'type', '_field', '_value'];
/** Functions and the names of their arguments. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  from: ['bucket'],
  range: ['start', 'stop'],
  filter: ['fn'],
  aggregateWindow: ['every', 'offset', 'fn', 'timeSrc', 'createEmpty'],
  count: [],
  keep: ['columns'],
  yield: ['name'],
  first: [],
  group: ['columns'],
  distinct: ['column'],
};
const LITERALS = ['StringLiteral', 'IntegerLiteral', 'DateTimeLiteral', 'DurationLiteral', 'UnsignedIntegerLiteral'];

/** Says what in a script is not of our making; nothing where all of it is. */
function foreign(file: Node, asked: Schema): string[] {
  const found: string[] = [];
  const no = (what: string, at: Node): void => void found.push(`${what}: ${JSON.stringify(at).slice(0, 300)}`);
  const child = (from: Node, name: string): Node => node.parse(from[name]);
  const children = (from: Node, name: string): Node[] => z.array(node).nullish().parse(from[name]) ?? [];
  const name = (of: Node): string =>
    of.type === 'MemberExpression'
      ? `${name(child(of, 'object'))}.${name(child(of, 'property'))}`
      : z.string().catch('?').parse(of['name']);

  const literal = (at: Node): void => {
    if (!LITERALS.includes(at.type)) no('no literal', at);
  };
  /** What our beginnings of a pair look like, and nothing that could be anything else: one id or several, none or some counterpart. */
  const beginning = (at: Node): void => {
    if (at.type !== 'RegexpLiteral' || !/^\^(\(\?:)?[0-9a-f:|]+\)?(\[1-9\])?$/.test(String(at['value'])))
      no('no beginning of a pair', at);
  };
  /** `r.column == literal`, `!=`, or `=~` a beginning, joined by `and` and `or`. */
  const predicate = (at: Node): void => {
    if (at.type === 'ParenExpression') predicate(child(at, 'expression'));
    else if (at.type === 'LogicalExpression') {
      predicate(child(at, 'left'));
      predicate(child(at, 'right'));
    } else {
      if (at.type !== 'BinaryExpression' || !['==', '!=', '=~'].includes(String(at['operator']))) {
        no('no comparison', at);
        return;
      }
      const left = child(at, 'left');
      if (!COLUMNS.some((column) => name(left) === `r.${column}`)) no('no column of ours', left);
      (at['operator'] === '=~' ? beginning : literal)(child(at, 'right'));
    }
  };
  const call = (at: Node): void => {
    if (at.type !== 'CallExpression') {
      no('no call', at);
      return;
    }
    const callee = name(child(at, 'callee'));
    const allowed = Object.hasOwn(CALLS, callee) ? CALLS[callee] : undefined;
    if (allowed === undefined) {
      no('no function of ours', at);
      return;
    }
    for (const object of children(at, 'arguments')) {
      for (const property of children(object, 'properties')) {
        const key = name(child(property, 'key'));
        const value = child(property, 'value');
        if (!allowed.includes(key)) no('no argument of ours', property);
        else if (key === 'fn' && callee === 'filter') predicate(child(value, 'body'));
        else if (key === 'predicate') predicate(child(value, 'body'));
        else if (key === 'fn') {
          // Counts, and sums of the counts of split totals.
          if (!['count', 'sum'].includes(name(value))) no('no value of ours', value);
        } else if (key === 'createEmpty') {
          if (name(value) !== 'false') no('no value of ours', value);
        } else if (key === 'columns') children(value, 'elements').forEach(literal);
        else literal(value);
        if (key === 'bucket' && !Object.values(asked.buckets).includes(String(value['value'])))
          no('no bucket of ours', value);
      }
    }
  };
  const pipe = (at: Node): void => {
    if (at.type === 'PipeExpression') pipe(child(at, 'argument'));
    call(at.type === 'PipeExpression' ? child(at, 'call') : at);
  };

  for (const one of children(file, 'imports')) {
    no('no import of ours', one);
  }
  for (const statement of children(file, 'body')) {
    if (statement.type === 'ExpressionStatement') pipe(child(statement, 'expression'));
    else no('no statement of ours', statement);
  }
  return found;
}

async function expectOnlyOurs(): Promise<number> {
  const scripts = [...executed];
  executed.clear();
  for (const script of scripts) expect(foreign(await parsed(script), schema), script).toEqual([]);
  return scripts.length;
}

async function expectCanaryUntouched(): Promise<void> {
  expect(await influxCount(CANARY)).toBe(1);
  expect(await influxCount(schema.buckets.received)).toBe(1);
}

// ── Literals ──

describe('the escapers alone', () => {
  const withoutNul = hostile.filter((text) => !/[\p{Cs}\0]/u.test(text));

  /** Each value as a statement of its own, read back by influxd's parser. */
  const readBack = async (literals: readonly Flux[]): Promise<Node[]> => {
    const script = join(
      literals.map((literal) => flux`x = ${literal}`),
      flux`\n`,
    ).text;
    const body = z.array(node).parse((await parsed(script))['body']);
    return body.map((statement) => node.parse(statement['init']));
  };

  it('make one string literal of any text, with that very value', { timeout: TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(withoutNul, { minLength: 1, maxLength: 40 }), async (texts) => {
        const read = await readBack(texts.map(string));
        expect(read.map(({ type, value }) => ({ type, value }))).toEqual(
          texts.map((value) => ({ type: 'StringLiteral', value })),
        );
      }),
      { numRuns: RUNS },
    );
  });

  it('make one literal of any id, time and length, with that very value', { timeout: TIMEOUT_MS }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }),
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        async (id, ms, length) => {
          const [a, b, c] = await readBack([int(String(id)), time(ms), duration(length)]);
          expect(a).toMatchObject({ type: 'IntegerLiteral', value: String(id) });
          expect(b?.type).toBe('DateTimeLiteral');
          expect(Date.parse(String(b?.['value']))).toBe(ms);
          expect(c).toMatchObject({ type: 'DurationLiteral', values: [{}] });
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('refuse text that is no number, whatever it is', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        fc.pre(!/^(0|[1-9][0-9]{0,18})$/.test(text));
        expect(() => int(text)).toThrow(RangeError);
      }),
    );
  });

  it(
    'keep statements ours when validation is left out, and no statement runs that would write',
    { timeout: TIMEOUT_MS },
    async () => {
      const range = { fromMs: Date.parse(DAY.from), toMs: Date.parse(DAY.to) };
      const grain = { everyMs: 3_600_000, offsetMs: 0 };
      await fc.assert(
        fc.asyncProperty(fc.array(withoutNul, { minLength: 1, maxLength: 3 }), withoutNul, async (texts, name) => {
          const odd: Schema = { ...schema, buckets: { ...schema.buckets, made: texts[0] ?? '' } };
          const scripts = [
            seriesScript(
              [{ kind: 'counts', name, preset: 'received', ids: [USER], types: texts, ...range, grain }],
              schema,
            ),
            seriesScript(
              [{ kind: 'counts', name, preset: 'made', ids: [USER], types: texts, ...range, grain: null }],
              odd,
            ),
            idScript({ preset: 'received', types: texts, ...range }, schema),
            idScript({ preset: 'received', id: USER, types: texts, ...range }, schema),
            seriesScript(
              [
                {
                  kind: 'people',
                  name,
                  preset: 'received',
                  ids: [USER],
                  types: texts,
                  ...range,
                  timed: true,
                  typed: true,
                },
              ],
              schema,
            ),
            lackingScript({ preset: 'received', ids: [USER], types: texts, ...range }, schema),
            typesScript(range, { ...odd, buckets: { ...odd.buckets, total: name } }),
          ];
          for (const script of scripts) {
            expect(
              foreign(await parsed(script.text), {
                ...odd,
                buckets: { ...schema.buckets, made: texts[0] ?? '', share: name },
              }),
            ).toEqual([]);
            try {
              await reader.rows(script, () => () => undefined);
            } catch (error) {
              expect(error).toMatchObject({
                code: expect.stringMatching(/^(influx_not_found|query_failed)$/) as string,
              });
            }
          }
        }),
        { numRuns: Math.max(1, Math.round(RUNS / 3)) },
      );
      executed.clear();
      await expectCanaryUntouched();
    },
  );
});

// ── HTTP ──

/** What came in by a request must never come out as a defect, and never with what lies in other buckets. */
function expectOrdinary(answer: { readonly statusCode: number; readonly body: string }): void {
  expect(answer.body).not.toContain(SECRET);
  expect([200, 400, 404], answer.body).toContain(answer.statusCode);
  expect(answer.body).not.toMatch(/"(internal|query_failed)"/);
}

/** Percent-encodes anything, lone surrogates too; a few bytes that are no UTF-8 may follow. */
const inUrl = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'));
const queryString = (parameters: Readonly<Record<string, fc.Arbitrary<string | string[]>>>): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.record(parameters, { requiredKeys: [] }),
      fc.oneof(
        { weight: 9, arbitrary: fc.constant('') },
        fc.constantFrom('&%ff=1', '&a=%', '&__proto__=1', '&types=%c3%28', '&&', '&x'),
      ),
    )
    .map(
      ([values, odd]) =>
        Object.entries(values)
          .flatMap(([key, value]) => [value ?? []].flat().map((one) => `${key}=${inUrl(one)}`))
          .join('&') + odd,
    );
const RANGE = { from: mostly(DAY.from), to: mostly(DAY.to) };

/** Queries of each preset with the ids that it takes, so that many get as far as InfluxDB. */
const query = (preset: string, ids: fc.Arbitrary<string[]> | undefined) =>
  fc.record(
    {
      refId: mostly('A'),
      preset: fc.oneof({ weight: 9, arbitrary: fc.constant(preset) }, around(preset)),
      ...(ids === undefined ? {} : { ids }),
      types: list('like'),
      every: mostly('1h'),
      calc: fc.constantFrom(...CALCULATION_NAMES).chain(mostly),
      direction: mostly('both'),
      groupBy: fc.array(fc.constantFrom('id', 'type').chain(mostly), { maxLength: 2 }),
      compareTo: mostly('1d'),
      of: mostly('received'),
      n: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 1000 }) }, fc.double()),
    },
    { requiredKeys: ids === undefined ? ['refId', 'preset', 'of'] : ['refId', 'preset', 'ids'] },
  );
const body = fc.record(
  {
    from: fc.oneof({ weight: 9, arbitrary: fc.constant(DAY.from) }, around(DAY.from)),
    to: fc.oneof({ weight: 9, arbitrary: fc.constant(DAY.to) }, around(DAY.to)),
    timezone: fc.oneof({ weight: 9, arbitrary: fc.constant('Europe/Berlin') }, around('Europe/Berlin')),
    maxDataPoints: fc.integer({ min: 1, max: 1_000_000 }),
    intervalMs: fc.oneof({ weight: 9, arbitrary: fc.nat() }, fc.double()),
    queries: fc.uniqueArray(
      fc.oneof(
        query('made', list(USER)),
        query('received', list(USER)),
        query('share', list(SHARE)),
        query('everyone', undefined),
        query('top', undefined),
        query('pair', fc.tuple(mostly(USER), mostly('88'))),
        query('who', fc.tuple(mostly(USER))),
      ),
      { selector: ({ refId }) => refId, minLength: 1, maxLength: 4 },
    ),
  },
  { requiredKeys: ['from', 'to', 'queries'] },
);

const inputs: readonly (readonly [what: string, url: fc.Arbitrary<string>])[] = [
  [
    '/v1/interactions/{preset}/{id}',
    fc
      .tuple(
        fc.oneof(fc.tuple(mostly('received'), mostly(USER)), fc.tuple(mostly('share'), mostly(SHARE))),
        queryString({
          ...RANGE,
          every: mostly('1h'),
          types: list('like'),
          calc: mostly('total'),
          timezone: mostly('Asia/Kolkata'),
          format: mostly('csv'),
        }),
      )
      .map(([[preset, id], query]) => `/v1/interactions/${inUrl(preset)}/${inUrl(id)}?${query}`),
  ],
  [
    '/v1/top',
    queryString({ of: mostly('received'), types: list('like'), ...RANGE, n: mostly('3') }).map(
      (query) => `/v1/top?${query}`,
    ),
  ],
  [
    '/v1/who',
    queryString({
      of: mostly('received'),
      id: mostly(USER),
      types: list('like'),
      ...RANGE,
      n: mostly('3'),
    }).map((query) => `/v1/who?${query}`),
  ],
  ['/v1/types', queryString(RANGE).map((query) => `/v1/types?${query}`)],
];

describe('hostile text in', () => {
  it.each(['/v1/query', '/v1/translate'])(
    'a body of %s runs no statement but ours',
    { timeout: TIMEOUT_MS },
    async (url) => {
      let scripts = 0;
      await fc.assert(
        fc.asyncProperty(body, async (payload) => {
          const answer = await app.inject({
            method: 'POST',
            url,
            headers: { ...AUTHORIZED, 'content-type': 'application/json' },
            payload: JSON.stringify(payload),
          });
          expectOrdinary(answer);
          // The Flux that is shown is the Flux that ran; /v1/translate only shows it.
          for (const [, text] of answer.body.matchAll(/"(?:flux|executedQueryString)":("(?:[^"\\]|\\.)*")/g)) {
            executed.add(JSON.parse(text ?? '""') as string);
          }
          scripts += await expectOnlyOurs();
        }),
        { numRuns: RUNS },
      );
      // Where everything was refused, nothing would have been shown.
      expect(scripts).toBeGreaterThan(RUNS / 10);
      await expectCanaryUntouched();
    },
  );

  it.each(inputs)(
    'address and query string of %s runs no statement but ours',
    { timeout: TIMEOUT_MS },
    async (_what, url) => {
      let scripts = 0;
      await fc.assert(
        fc.asyncProperty(url, async (address) => {
          expectOrdinary(await app.inject({ url: address, headers: AUTHORIZED }));
          scripts += await expectOnlyOurs();
        }),
        { numRuns: RUNS },
      );
      expect(scripts).toBeGreaterThan(0);
      await expectCanaryUntouched();
    },
  );

  it('the query string of /v1/stream runs no statement but ours', { timeout: TIMEOUT_MS }, async () => {
    const url = queryString({
      preset: mostly('received'),
      ids: list(USER),
      types: list('like'),
      every: mostly('10s'),
      calc: mostly('unique'),
      groupBy: mostly('id,type'),
      direction: mostly('to'),
      timezone: mostly('Europe/Paris'),
    });
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(url, async (query) => {
        const answer = await app.inject({ url: `/v1/stream?${query}`, headers: AUTHORIZED, payloadAsStream: true });
        expect([200, 400]).toContain(answer.statusCode);
        const stream = answer.stream();
        let text = '';
        // A stream that was opened has no end: its first window, or its error, is enough.
        for await (const chunk of stream) {
          text += String(chunk);
          if (answer.statusCode === 200 && text.includes('event: ')) break;
        }
        if (answer.statusCode === 200) opened++;
        expect(text).not.toContain(SECRET);
        expect(text).not.toMatch(/"(internal|query_failed)"/);
        await expectOnlyOurs();
      }),
      { numRuns: Math.max(1, Math.round(RUNS / 3)) },
    );
    expect(opened).toBeGreaterThan(0);
    await expectCanaryUntouched();
  });
});

it('the check itself notices what is not ours', async () => {
  const ours = 'from(bucket: "B") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)'.replace(
    'B',
    schema.buckets.made,
  );
  expect(foreign(await parsed(ours), schema)).toEqual([]);
  for (const more of [
    `${ours} |> to(bucket: "${CANARY}")`,
    `${ours}\nfrom(bucket: "${CANARY}")`,
    `import "os"\n${ours}`,
    `${ours} |> filter(fn: (r) => true)`,
    `${ours} |> filter(fn: (r) => r.type == "a" or r.other == "b")`,
    `${ours} |> filter(fn: (r) => r.type == "a\${1 + 1}")`,
    `x = 1\n${ours}`,
    `option now = () => 2026-01-01T00:00:00Z\n${ours}`,
  ]) {
    expect(foreign(await parsed(more), schema), more).not.toEqual([]);
  }
});
