import { z } from 'zod';
import { CHECK_NAMES } from '../check.ts';
import { DEFAULT_ID_FORMATS, ID_FORMAT_NAMES, ID_KIND_NAMES, ID_KINDS, idFormatOf } from '../../../contract/ids.ts';
import type { FieldTable, Form } from '../../../contract/fields.ts';
import { MAX_IDS, MAX_IDS_APART, MAX_QUERIES, MAX_SERIES, MAX_TOP, MAX_WINDOWS } from '../../../contract/limits.ts';
import { ID_PRESETS, PRESET_NAMES, RANKED_PRESETS, SERIES_PRESETS } from '../../../contract/presets.ts';
import { CALCULATION_NAMES, DIRECTION_NAMES, GRAFANA_FIELDS, LABELS, QUERY_FIELDS } from '../../../contract/query.ts';
import { byRole, ROLES } from '../../../contract/roles.ts';
import { envelopeSchema, refIdSchema } from '../query/request.ts';

/** Form of what comes in by path and query string, and of what goes out; the OpenAPI document is made of these. */

const USER_EXAMPLE = '9007199254740993';

const oneOf = (names: readonly string[]): string => `One of ${names.join(', ')}.`;

/** `types=like,share` or `types=like&types=share`. Empty parts are left out. */
const list = (description: string, example: string) =>
  z
    .union([z.string().max(20_000), z.array(z.string().max(20_000)).max(1000)])
    .optional()
    .transform((value) =>
      (typeof value === 'string' ? [value] : (value ?? []))
        .flatMap((text) => text.split(','))
        .map((text) => text.trim())
        .filter((text) => text !== ''),
    )
    .meta({ description: `${description} Separated by commas, or the parameter repeated.`, example });

const instant = (description: string) =>
  z
    .string({
      error: (issue) =>
        issue.input === undefined
          ? 'is required: give a time such as 2026-01-31T12:00:00Z, or epoch milliseconds'
          : undefined,
    })
    .min(1, 'is empty: give a time such as 2026-01-31T12:00:00Z, or epoch milliseconds')
    .max(40, 'is too long for a time: give a time such as 2026-01-31T12:00:00Z, or epoch milliseconds')
    // An offset's plus sign that was not percent-encoded arrives as a space. No time has one there, so it can mean nothing else.
    .transform((text) => text.replace(/ (?=\d\d:\d\d$)/, '+'))
    .meta({ description: `${description} RFC 3339 with an offset, or epoch milliseconds.` });

const from = instant('Start of the range, inclusive.').meta({ example: '2026-01-31T00:00:00Z' });
const to = instant('End of the range, exclusive.').meta({ example: '2026-02-01T00:00:00Z' });
const types = list('Interaction types; empty means all.', 'like,share');
const timezone = z
  .string()
  .max(64)
  .optional()
  .meta({ description: 'IANA time zone in which windows are aligned; default UTC.', example: 'Europe/Berlin' });
const every = z
  .string()
  .max(32)
  .optional()
  .meta({ description: 'Window length: a Flux duration such as 10m or 1d, or auto (the default).', example: '1h' });

export const interactionsParams = z.object({
  preset: z.string().meta({ description: oneOf(ID_PRESETS), example: 'received' }),
  id: z.string().meta({
    description: `An id of the preset, percent-encoded: ${ID_KIND_NAMES.map((kind) => `a ${ID_KINDS[kind].noun} ID is ${idFormatOf(kind, DEFAULT_ID_FORMATS).what}`).join(', ')}, unless the backend has other formats of ids; \`/v1/schema\` says which.`,
    example: USER_EXAMPLE,
  }),
});

export const interactionsQuery = z.strictObject({
  from,
  to,
  every,
  types,
  calc: z
    .string()
    .max(32)
    .optional()
    .meta({ description: `${CALCULATION_NAMES.join(', ')}; default count.`, example: 'count' }),
  timezone,
  format: z
    .enum(['json', 'csv'], 'must be json or csv')
    .optional()
    .meta({ description: 'json or csv; default by the Accept header.', example: 'csv' }),
});

const of = z
  .string({
    error: (issue) => (issue.input === undefined ? `is required: one of ${RANKED_PRESETS.join(', ')}` : undefined),
  })
  .max(32);
const n = z
  .string()
  .regex(/^[1-9]\d{0,5}$/, `must be a whole number from 1 to ${MAX_TOP}`)
  .transform(Number)
  .optional()
  .meta({ description: `How many, 1 to ${MAX_TOP}; default 10.`, example: '10' });

export const topQuery = z.strictObject({
  of: of.meta({ description: oneOf(RANKED_PRESETS), example: 'received' }),
  types,
  from,
  to,
  n,
});

export const whoQuery = z.strictObject({
  of: of.meta({
    description: `${oneOf(RANKED_PRESETS)} What the id is: whoever made what it received, or to whom it made something.`,
    example: 'received',
  }),
  id: z
    .string({ error: (issue) => (issue.input === undefined ? 'is required: the id of a user or share' : undefined) })
    .max(200)
    .meta({ description: 'A user ID, or with of=share a share ID.', example: USER_EXAMPLE }),
  types,
  from,
  to,
  n,
});

export const typesQuery = z.strictObject({
  from: from
    .optional()
    .meta({ description: 'Start of the range; default 30 days before its end.', example: '2026-01-31T00:00:00Z' }),
  to: to.optional().meta({ description: 'End of the range; default now.', example: '2026-02-01T00:00:00Z' }),
});

const LAST_EVENT_ID = /^\d{1,16}$/;
const NO_EVENT_ID = 'is not the id of an event of this stream: send the last one that came, or none';

/** What EventSource sends when it connects again. */
export const streamHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .regex(LAST_EVENT_ID, NO_EVENT_ID)
    .optional()
    .meta({ description: 'The id of the last event that came: what has changed since comes first.' }),
});

const lastEventId = z.string().regex(LAST_EVENT_ID, NO_EVENT_ID).optional().meta({
  description: 'As the header Last-Event-ID, which goes first, for a new EventSource that goes on for an old one.',
});

const streamPreset = z
  .string()
  .max(64)
  .meta({ description: oneOf(SERIES_PRESETS), example: 'received' });
const streamEvery = z.string().max(32).meta({ description: 'Window length: a Flux duration.', example: '10s' });
/** What a stream counts, and how. */
const streamOptions = {
  calc: z
    .string()
    .max(32)
    .optional()
    .meta({ description: 'count (the default), or unique: different people in each window.', example: 'unique' }),
  direction: z
    .string()
    .max(32)
    .optional()
    .meta({ description: `For pair: ${DIRECTION_NAMES.join(' or ')}; default to.`, example: 'both' }),
};
const STREAM_REQUIRED = {
  preset: `is required: one of ${SERIES_PRESETS.join(', ')}`,
  every: 'is required: a duration such as 10s',
} as const;

export const streamQuery = z
  .strictObject({
    ticket: z
      .string()
      .max(16_384)
      .optional()
      .meta({ description: 'From POST /v1/stream-tickets: instead of the token, and of all below.' }),
    lastEventId,
    preset: streamPreset.optional(),
    ids: list(`Ids, at most ${MAX_IDS_APART}; none for everyone.`, USER_EXAMPLE),
    types,
    every: streamEvery.optional(),
    ...streamOptions,
    groupBy: z
      .string()
      .max(64)
      .optional()
      .meta({ description: 'id, type, id,type (the default), or none: what series are told apart by.', example: 'id' }),
    timezone,
  })
  .superRefine(({ ticket, lastEventId: _, preset, ids, types: named, every: length, ...others }, ctx) => {
    const issue = (field: string, message: string): void => ctx.addIssue({ code: 'custom', path: [field], message });
    if (ticket === undefined) {
      if (preset === undefined) issue('preset', STREAM_REQUIRED.preset);
      if (length === undefined) issue('every', STREAM_REQUIRED.every);
    } else if (
      preset !== undefined ||
      ids.length > 0 ||
      named.length > 0 ||
      length !== undefined ||
      Object.values(others).some((other) => other !== undefined)
    ) {
      issue(
        'ticket',
        'must come without preset, ids, types, every, calc, groupBy, direction and timezone: it holds the whole question',
      );
    }
  });

export const streamTicketBody = z.strictObject({
  preset: streamPreset,
  ids: z
    .array(z.string({ error: 'must be text: write ids in quotes' }).max(200))
    .max(MAX_IDS)
    .optional()
    .meta({ description: `Ids, at most ${MAX_IDS_APART}; none for everyone.`, example: [USER_EXAMPLE] }),
  types: z.array(z.string().max(200)).max(1000).optional().meta({ description: 'Interaction types; none means all.' }),
  every: streamEvery,
  ...streamOptions,
  groupBy: z
    .array(z.string().max(32))
    .max(LABELS.length)
    .optional()
    .meta({ description: 'Any of id and type; default both.', example: ['id'] }),
  timezone,
});

export const streamTicketResponse = z.object({
  ticket: z
    .string()
    .meta({ description: 'Good for this one question until expiresAt. Whoever holds it may read the stream.' }),
  expiresAt: z
    .string()
    .meta({ description: 'RFC 3339. A stream that is open by then stays open.', example: '2026-01-31T12:05:00.000Z' }),
  path: z.string().meta({ description: 'The address for EventSource, below the address of this server.' }),
});

export const errorBody = z
  .object({
    error: z.object({
      code: z.string().meta({ description: 'One of a closed list of codes.', example: 'bad_request' }),
      message: z.string().meta({ description: 'What happened, and what to do.', example: 'from is required.' }),
    }),
  })
  .meta({ description: 'What went wrong, and what to change.' });

const frame = z
  .object({
    schema: z.object({
      refId: z.string(),
      name: z.string().optional(),
      meta: z
        .looseObject({
          type: z.enum(['timeseries-wide', 'numeric-wide', 'table']).optional(),
          executedQueryString: z.string().optional().meta({ description: 'The Flux that was run.' }),
          custom: z.looseObject({}).optional().meta({
            description:
              'partial: {first, last}: whether the first and last windows are cut off. ageMs: how old the counts are, where they were kept.',
          }),
          notices: z.array(z.object({ severity: z.enum(['info', 'warning', 'error']), text: z.string() })).optional(),
        })
        .optional(),
      fields: z.array(
        z.looseObject({
          name: z.string(),
          type: z.enum(['time', 'number', 'string']),
          labels: z.record(z.string(), z.string()).optional(),
        }),
      ),
    }),
    data: z.object({
      values: z
        .array(z.array(z.union([z.number(), z.string()]).nullable()))
        .meta({ description: 'One array per field; times in epoch milliseconds.' }),
    }),
  })
  .meta({ description: "Grafana's data frame as JSON." });

const queryFailure = {
  error: z.string(),
  errorCode: z.string(),
  status: z.number().int(),
};

export const queryResponse = z
  .object({
    results: z.record(
      z.string(),
      z.object({
        frames: z.array(frame),
        error: queryFailure.error.optional(),
        errorCode: queryFailure.errorCode.optional(),
        status: queryFailure.status.optional(),
      }),
    ),
  })
  .meta({
    description:
      'A result per refId. A query that failed has error, errorCode and status, and no frames; the others are answered.',
    example: {
      results: {
        A: {
          frames: [
            {
              schema: {
                refId: 'A',
                meta: { type: 'timeseries-wide', custom: { partial: { first: false, last: false } } },
                fields: [
                  { name: 'time', type: 'time', typeInfo: { frame: 'time.Time' } },
                  {
                    name: 'value',
                    type: 'number',
                    typeInfo: { frame: 'float64' },
                    labels: { id: USER_EXAMPLE, type: 'like' },
                  },
                ],
              },
              data: {
                values: [
                  [1769817600000, 1769821200000],
                  [3, 0],
                ],
              },
            },
          ],
        },
        B: { error: 'ids is empty.', errorCode: 'bad_request', status: 400, frames: [] },
      },
    },
  });

export const translateResponse = z
  .object({
    results: z.record(
      z.string(),
      z.object({
        flux: z.string().optional(),
        error: queryFailure.error.optional(),
        errorCode: queryFailure.errorCode.optional(),
        status: queryFailure.status.optional(),
      }),
    ),
  })
  .meta({
    description: 'Per refId the Flux that would be run, or why there is none.',
    example: { results: { A: { flux: 'from(bucket: "interactions_received")\n  |> …' } } },
  });

export const interactionsResponse = z
  .object({
    preset: z.enum(PRESET_NAMES),
    id: z.string(),
    every: z.string(),
    from: z.string(),
    to: z.string(),
    series: z.array(
      z.object({
        type: z.string().meta({ description: 'Empty where no type was asked for and nothing happened.' }),
        points: z.array(z.array(z.number()).length(2)).meta({ description: '[window start in epoch ms, value]' }),
      }),
    ),
  })
  .meta({
    example: {
      preset: 'received',
      id: USER_EXAMPLE,
      every: '1h',
      from: '2026-01-31T00:00:00.000Z',
      to: '2026-01-31T02:00:00.000Z',
      series: [
        {
          type: 'like',
          points: [
            [1769817600000, 3],
            [1769821200000, 0],
          ],
        },
      ],
    },
  });

export const csvResponse = z
  .string()
  .meta({ description: 'Window starts in UTC.', example: 'time,type,value\r\n2026-01-31T00:00:00.000Z,like,3\r\n' });

export const topResponse = z
  .object({ top: z.array(z.object({ id: z.string(), count: z.number().int() })) })
  .meta({ description: 'Most first; ties by id.', example: { top: [{ id: '88', count: 35988 }] } });

export const whoResponse = z
  .object({
    who: z.array(z.object({ id: z.string(), count: z.number().int() })),
    people: z.number().int().meta({ description: 'Different users in all, also those behind the first n.' }),
  })
  .meta({
    description: 'Users at the other end, those with the most interactions first; ties by id.',
    example: { who: [{ id: '677', count: 12 }], people: 1 },
  });

export const typesResponse = z
  .object({ types: z.array(z.string()) })
  .meta({ description: 'Sorted.', example: { types: ['like', 'share'] } });

/** What `/v1/schema` says of the bounds of one query. */
export const LIMITS = {
  ids: MAX_IDS,
  idsApart: MAX_IDS_APART,
  windows: MAX_WINDOWS,
  series: MAX_SERIES,
  top: MAX_TOP,
  queries: MAX_QUERIES,
};

export const schemaResponse = z
  .object({
    version: z.string(),
    buckets: z.object(byRole(() => z.string())),
    ids: z
      .object({ user: z.enum(ID_FORMAT_NAMES), share: z.enum(ID_FORMAT_NAMES) })
      .meta({ description: 'How ids are written.' }),
    prefix: z.object({ user: z.string(), share: z.string() }).meta({
      description:
        'What of an id is its prefix: first:N or last:N of its characters, or hash:N, hex digits of its hash.',
    }),
    presets: z.array(
      z.object({
        name: z.enum(PRESET_NAMES),
        description: z.string(),
        ids: z.enum([...ID_KIND_NAMES, 'none', 'of']).meta({ description: 'What its ids are; of: as `of` says.' }),
        live: z.boolean().meta({ description: 'Whether /v1/stream knows it.' }),
      }),
    ),
    calculations: z.array(z.object({ name: z.enum(CALCULATION_NAMES), description: z.string() })),
    groupBy: z.array(z.enum(LABELS)),
    every: z.object({ auto: z.array(z.string()).meta({ description: 'Lengths that auto chooses from.' }) }),
    limits: z.object({
      ids: z.number().int().meta({ description: 'Ids of one query.' }),
      idsApart: z.number().int().meta({ description: 'Ids of one query that series are told apart by.' }),
      windows: z.number().int(),
      series: z.number().int(),
      top: z.number().int(),
      queries: z.number().int(),
    }),
  })
  .meta({
    description: 'What a query editor needs to know.',
    example: {
      version: '0.1.0',
      buckets: byRole((role) => ROLES[role].bucket),
      ids: DEFAULT_ID_FORMATS,
      prefix: { user: 'first:4', share: 'first:6' },
      presets: [{ name: 'received', description: 'Interactions received by users', ids: 'user', live: true }],
      calculations: [{ name: 'count', description: 'Interactions in each window' }],
      groupBy: ['id', 'type'],
      every: { auto: ['1s', '5s', '10s'] },
      limits: LIMITS,
    },
  });

export const healthResponse = z
  .object({
    status: z.enum(['ok', 'warning', 'error']).meta({ description: 'The worst state of all checks.' }),
    version: z.string(),
    checks: z.array(
      z.object({
        name: z.enum(CHECK_NAMES),
        state: z.enum(['ok', 'warning', 'error']),
        message: z.string(),
        hint: z.string().meta({ description: 'The next step; empty where nothing is wrong.' }),
      }),
    ),
  })
  .meta({
    example: {
      status: 'error',
      version: '0.1.0',
      checks: [
        {
          name: 'influxdb',
          state: 'ok',
          message: 'InfluxDB 2.7.12 at http://localhost:8086, organisation acme.',
          hint: '',
        },
        {
          name: 'buckets',
          state: 'error',
          message: 'In organisation acme: bucket "interactions_made" (USERPULSE_BUCKET_MADE) does not exist.',
          hint: 'Run "userpulse setup".',
        },
      ],
    },
  });

export const streamResponse = z.string().meta({
  description:
    'Server-sent events named window, each with {id, type, time, value, partial}; time is the window start in epoch ms. A window comes again while it is open (partial: true). The last one of each look has an id, the time of that look; after Last-Event-ID, whatever may have changed since that look comes again. If that is more than 1,000 windows, an event named gap, {from, to} in epoch ms, says which part does not. A comment comes every 2 s. An event named error, {error: {code, message}}, is the last one.',
  example:
    'event: window\ndata: {"id":"88","type":"like","time":1769817600000,"value":3,"partial":true}\nid: 1769817604123\n\n',
});

/** For the OpenAPI document only: the route reads the body query by query, see query-body.ts. */
export const queryRequestExample = {
  from: '2026-01-31T00:00:00Z',
  to: '2026-02-01T00:00:00Z',
  timezone: 'Europe/Berlin',
  queries: [
    { refId: 'A', preset: 'received', ids: [USER_EXAMPLE], types: ['like', 'share'], every: '10m', calc: 'count' },
    { refId: 'B', preset: 'top', of: 'received', n: 10 },
  ],
};

/** A query as the document describes it; contract/fields.ts reads it. */
const documented = (form: Form): z.ZodType => {
  switch (form.kind) {
    case 'choice':
      return z.enum(form.of);
    case 'choices':
      return z.array(z.enum(form.of));
    case 'text':
      return z.string().max(form.maxLength);
    case 'texts':
      return z.array(z.string().max(form.maxLength)).max(form.maxItems);
    case 'ids':
      return z.array(z.union([z.string().max(form.maxLength), z.number().int()])).max(form.maxItems);
    case 'whole':
      return z.number().int().min(form.min).max(form.max);
    case 'number':
      return z.number().gt(form.above);
    case 'flag':
      return z.boolean();
    case 'version':
      return z.number().int();
    case 'object':
      return z.object(documentedFields(form.fields));
    case 'filters':
      return z.array(z.looseObject({ key: z.string(), operator: z.string(), value: z.string() }));
    default:
      return form satisfies never;
  }
};

const documentedFields = (table: FieldTable): Record<string, z.ZodType> =>
  Object.fromEntries(
    Object.entries(table).map(([name, { form, description }]) => [
      name,
      documented(form).optional().meta({ description }),
    ]),
  );

export const queryRequestBody = envelopeSchema
  .extend({
    queries: z
      .array(z.object({ refId: refIdSchema, ...documentedFields(QUERY_FIELDS) }))
      .min(1)
      .max(MAX_QUERIES)
      .meta({ description: `Fields that Grafana adds (${[...GRAFANA_FIELDS].slice(1).join(', ')}) are ignored.` }),
  })
  .meta({ example: queryRequestExample });

export const readyResponse = z.object({ ready: z.literal(true) }).meta({ example: { ready: true } });
export const aliveResponse = z.object({ alive: z.literal(true) }).meta({ example: { alive: true } });
export const metricsResponse = z.string().meta({ description: 'Prometheus text format.' });
export const documentResponse = z
  .looseObject({ openapi: z.string() })
  .meta({ description: 'An OpenAPI 3.0 document.' });
