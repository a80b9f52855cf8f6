import type { DataSourceApi, ScopedVars, TimeRange } from '@grafana/data';
import type { Resources } from './resources.ts';
import type { UserpulseOptions, UserpulseQuery } from './types.ts';

/** What decides a query's windows besides itself; Grafana knows it once the panel has run. */
export interface TranslateSettings {
  readonly range: TimeRange;
  readonly timezone?: string;
  readonly maxDataPoints?: number;
  readonly intervalMs?: number;
  readonly scopedVars?: ScopedVars;
}

/** What editors, variables and annotations need of the data source. They know no more of it, so that it can know them. */
export interface EditorServices {
  readonly resources: Resources;
  /** Whether a text holds a variable that has a value here. */
  readonly isTemplate: (text: string) => boolean;
  /** Names of the dashboard's variables that have a value to ask for. */
  variableNames(): string[];
  /** A query with its variables replaced by the values that they have here. */
  applyTemplateVariables(saved: UserpulseQuery, scopedVars: ScopedVars): UserpulseQuery;
  /** A set of types with its variables replaced. */
  expandTypes(types: readonly string[], scopedVars: ScopedVars): string[];
  /** A set of ids with its variables replaced. */
  expandIds(ids: readonly string[], scopedVars: ScopedVars): string[];
  /** The Flux of a query as it would run with these settings. */
  translate(saved: UserpulseQuery, settings: TranslateSettings): Promise<string>;
}

export type UserpulseApi = DataSourceApi<UserpulseQuery, UserpulseOptions> & EditorServices;
