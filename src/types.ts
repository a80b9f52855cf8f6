import type { DataSourceJsonData } from '@grafana/data';
import type { DataQuery } from '@grafana/schema';
import type { IdPreset, Preset } from '../contract/presets.ts';
import type { Calculation, Label } from '../contract/query.ts';

export type { Calculation, IdPreset, Label, Preset };

export const QUERY_VERSION = 1;

/** A question as it is saved in a dashboard. Entries of `ids` and `types` may be template variables. */
export interface UserpulseQuery extends DataQuery {
  readonly version: typeof QUERY_VERSION;
  readonly preset: Preset;
  /** User ids (decimal, may exceed 2^53) or share ids (24 hex characters); empty for `everyone` and `top`. */
  readonly ids: readonly string[];
  /** Empty means all types. */
  readonly types: readonly string[];
  /** `auto` or a Flux duration, or a variable that gives one. */
  readonly every: string;
  readonly calc: Calculation;
  /** Absent means both. */
  readonly groupBy?: readonly Label[];
  /** A Flux duration: the same series that much earlier is added. */
  readonly compareTo?: string;
  /** For `top`: of what, and how many. */
  readonly of?: IdPreset;
  readonly n?: number;
  /** IANA zone; absent means the dashboard's. */
  readonly timezone?: string;
  readonly live?: boolean;
  /** `{{id}} {{type}} {{compare}}`; the gateway applies it, so that alerts and public dashboards have it too. */
  readonly legend?: string;
  /** Only in the target of an annotation. */
  readonly annotation?: Annotation;
  /** Ad-hoc filters on their way to {@link types}. Never saved; they travel with a query that Explore takes over. */
  readonly filters?: readonly TypeFilter[];
}

/** One ad-hoc filter as Grafana gives it; `values` for the operators that take several. */
export interface TypeFilter {
  readonly key: string;
  readonly operator: string;
  readonly value: string;
  readonly values?: readonly string[];
}

/** The settings that are no secret. Names are the gateway's (pkg/README.md); those of TLS are Grafana's own. */
export interface UserpulseOptions extends DataSourceJsonData {
  /** How long one call of the backend may take, 1 to 600. */
  timeout?: number;
  tlsSkipVerify?: boolean;
  tlsAuthWithCACert?: boolean;
  tlsAuth?: boolean;
  serverName?: string;
  /** Series link to the bundled dashboards of their id; on unless switched off. */
  dashboardLinks?: boolean;
}

/** Secrets: Grafana keeps them encrypted and gives them to the gateway only. */
export interface UserpulseSecrets {
  apiToken?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}

/** What a dashboard variable may list. */
export const VARIABLE_LISTS = ['types', 'top', 'prefixes'] as const;
export type VariableList = (typeof VARIABLE_LISTS)[number];

export interface UserpulseVariableQuery extends DataQuery {
  readonly version: typeof QUERY_VERSION;
  readonly list: VariableList;
  /** For `top` and `prefixes`. */
  readonly of: IdPreset;
  readonly n: number;
  /** For `top`: only interactions of these types count. */
  readonly types: readonly string[];
}

export const ANNOTATION_KINDS = ['threshold', 'created'] as const;
export type AnnotationKind = (typeof ANNOTATION_KINDS)[number];

/** What an annotation marks: the times in which a series passes a threshold, or when a share was created, which its id tells. */
export interface Annotation {
  readonly kind: AnnotationKind;
  /** In the unit of `calc`: per window for `count`, per second for `rate`. */
  readonly threshold: number;
}

/** Answers of the gateway's resources, which are those of the backend's HTTP interface. */
export interface TypesAnswer {
  readonly types: readonly string[];
}
export interface TopAnswer {
  readonly top: readonly { readonly id: string; readonly count: number }[];
}
