import type { Preset } from './presets.ts';

/** Answers of the HTTP interface, as they go over the wire. */

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

/** Shown in a panel's corner. */
export interface Notice {
  readonly severity: 'info' | 'warning' | 'error';
  readonly text: string;
}

export interface FrameMeta {
  readonly type?: 'timeseries-wide' | 'numeric-wide' | 'table';
  readonly typeVersion?: readonly [number, number];
  readonly executedQueryString?: string;
  readonly custom?: Readonly<Record<string, unknown>>;
  readonly notices?: readonly Notice[];
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

/** Answer of `GET /v1/top`: most first. */
export interface TopResult {
  readonly top: readonly { readonly id: string; readonly count: number }[];
}

/** Answer of `GET /v1/who`: users, most first, and how many different ones there are in all. */
export interface WhoResult {
  readonly who: TopResult['top'];
  readonly people: number;
}

/** Answer of `GET /v1/types`: sorted. */
export interface TypesResult {
  readonly types: readonly string[];
}

/** One window of a live series, as `GET /v1/stream` sends it. `time` is the window start in epoch ms. */
export interface LiveWindow {
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly value: number;
  readonly partial: boolean;
}
