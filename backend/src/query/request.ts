import { z } from 'zod';
import { MAX_IDS, MAX_QUERIES, MAX_TOP } from '../../../contract/limits.ts';
import { PRESET_NAMES as PRESETS, type Preset } from '../../../contract/presets.ts';

export { MAX_IDS, MAX_QUERIES, MAX_SERIES, MAX_TOP, MAX_WINDOWS } from '../../../contract/limits.ts';
export { PRESET_NAMES as PRESETS, type Preset } from '../../../contract/presets.ts';
export { CALCULATION_NAMES as CALCULATIONS, LABELS, type Calculation, type Label } from '../../../contract/query.ts';

/** RFC 3339 with an offset, or epoch milliseconds as a number or a string of digits. Parsed to milliseconds by the query core. */
export const instantSchema = z.union([z.number().int(), z.string().min(1).max(40)], {
  error: (issue) =>
    `${issue.input === undefined ? 'is required' : 'is not a time'}: give a time such as 2026-01-31T12:00:00Z, or epoch milliseconds`,
});

/**
 * One query as it arrives. Only the form is checked here; ids, types, durations and ranges are checked by the query core, so
 * that a bad query fails alone and its neighbours are answered.
 */
export const querySchema = z.object({
  refId: z.string().min(1).max(64).meta({ description: 'Names the query in the answer.' }),
  preset: z
    .string()
    .max(64)
    .meta({ description: `One of ${PRESETS.join(', ')}.` }),
  ids: z
    .array(z.string().max(200))
    .max(1000)
    .optional()
    .meta({ description: `For made, received and share: 1 to ${MAX_IDS} ids. Absent or empty elsewhere.` }),
  types: z.array(z.string().max(200)).max(1000).optional().meta({ description: 'Interaction types; empty means all.' }),
  every: z
    .string()
    .max(32)
    .optional()
    .meta({ description: 'Window length: a Flux duration such as 10m or 1d, or auto (the default).' }),
  calc: z.string().max(32).optional().meta({
    description:
      'count (the default), rate (count per second), cumulative (running sum from `from`) or total (one number for the range).',
  }),
  groupBy: z
    .array(z.string().max(32))
    .max(8)
    .optional()
    .meta({ description: 'Any of id and type; default both. Empty: one summed series.' }),
  compareTo: z
    .string()
    .max(32)
    .optional()
    .meta({ description: 'A Flux duration: the same series that much earlier is added, moved onto today’s times.' }),
  of: z.string().max(32).optional().meta({ description: 'For top: made, received or share.' }),
  n: z
    .number()
    .optional()
    .meta({ description: `For top: how many, 1 to ${MAX_TOP}.` }),
});
export type QueryInput = z.infer<typeof querySchema>;

/** Body of `POST /v1/query` and `POST /v1/translate`. */
export const queryRequestSchema = z.object({
  from: instantSchema.meta({
    description: 'Start of the range, inclusive: RFC 3339 with an offset, or epoch milliseconds.',
  }),
  to: instantSchema.meta({ description: 'End of the range, exclusive.' }),
  timezone: z
    .string()
    .max(64)
    .optional()
    .meta({ description: 'IANA time zone in which windows are aligned; default UTC.' }),
  maxDataPoints: z.number().int().min(1).max(1_000_000).optional().meta({ description: 'For auto: windows at most.' }),
  intervalMs: z.number().min(0).max(1e15).optional().meta({ description: 'For auto: shortest window.' }),
  queries: z.array(querySchema).min(1).max(MAX_QUERIES),
});
export type QueryRequest = z.infer<typeof queryRequestSchema>;

/** A Grafana data frame in its JSON form (`schema` and `data`), as `/api/ds/query` returns it and the SDK for Go decodes it. */
export interface FrameJson {
  readonly schema: {
    readonly refId: string;
    readonly name?: string;
    readonly meta?: FrameMeta;
    readonly fields: readonly FrameField[];
  };
  readonly data: { readonly values: readonly (readonly (number | string | null)[])[] };
}

export interface FrameField {
  readonly name: string;
  readonly type: 'time' | 'number' | 'string';
  readonly typeInfo: { readonly frame: 'time.Time' | 'float64' | 'int64' | 'string'; readonly nullable?: boolean };
  readonly labels?: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface FrameMeta {
  readonly type?: 'timeseries-wide' | 'numeric-wide' | 'table';
  readonly typeVersion?: readonly [number, number];
  readonly executedQueryString?: string;
  readonly custom?: Readonly<Record<string, unknown>>;
  readonly notices?: readonly { readonly severity: 'info' | 'warning' | 'error'; readonly text: string }[];
  readonly preferredVisualisationType?: 'graph' | 'table';
}

/** Result of one query: frames, or an error of its own. */
export type QueryResult =
  | { readonly frames: readonly FrameJson[]; readonly status?: number }
  | { readonly error: string; readonly errorCode: string; readonly status: number; readonly frames: readonly [] };

export interface QueryResponse {
  readonly results: Readonly<Record<string, QueryResult>>;
}

/** Answer of `GET /v1/interactions/{preset}/{id}`. Points are `[window start in epoch ms, value]`. */
export interface InteractionsResult {
  readonly preset: Preset;
  readonly id: string;
  readonly every: string;
  readonly from: string;
  readonly to: string;
  readonly series: readonly { readonly type: string; readonly points: readonly (readonly [number, number])[] }[];
}

export interface TopResult {
  readonly top: readonly { readonly id: string; readonly count: number }[];
}

/** One window of a live series, as `GET /v1/stream` sends it. `time` is the window start in epoch ms. */
export interface LiveWindow {
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly value: number;
  readonly partial: boolean;
}
