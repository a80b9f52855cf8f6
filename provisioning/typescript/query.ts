import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import type { Preset, RankedPreset } from '../../contract/presets.ts';
import {
  readQuery,
  type Calculation,
  type Direction,
  type IncompleteWindows,
  type Label,
  type QueryFieldName,
  type QueryFields,
} from '../../contract/query.ts';

export const PLUGIN_ID = 'userpulse-interactions-datasource';
/** uid of the provisioned data source (provisioning/datasources/), for what has no variables: alert rules and public dashboards. */
export const PROVISIONED_UID = 'userpulse';
/** The data source that a dashboard's own `datasource` variable picks: no dashboard names an instance. */
export const DATASOURCE = { type: PLUGIN_ID, uid: '${datasource}' } as const;

/** What the query editor saves: one definition for both ways to make a dashboard. */
type SavedQuery = { -readonly [K in keyof QueryFields]: QueryFields[K] };

/** A method for every field that is not set by the constructor or by Grafana: a field without one does not compile. */
type Setters = Record<
  Exclude<QueryFieldName, 'version' | 'preset' | 'ids' | 'n' | 'annotation' | 'filters'>,
  (...values: never[]) => unknown
>;

/**
 * A Userpulse query for dashboards written in TypeScript with `@grafana/grafana-foundation-sdk`:
 *
 * ```ts
 * new TimeseriesPanelBuilder().withTarget(received('88', '677').types('like').every('10m').legend('{{id}} {{type}}'))
 * ```
 *
 * Ids, types and durations may be dashboard variables (`$user`). What a query may hold is said in the query editor's help.
 */
export class UserpulseQueryBuilder implements Builder<Dataquery>, Setters {
  #refId = 'A';
  #datasource: { readonly type: string; readonly uid: string } = DATASOURCE;
  readonly #query: SavedQuery;

  constructor(preset: Preset, ids: readonly string[] = []) {
    this.#query = { ...readQuery({ preset }).values, ids: [...ids] };
  }

  refId(refId: string): this {
    this.#refId = refId;
    return this;
  }

  /** Another data source than the one the dashboard's variable picks, for alert rules, which have no variables. */
  datasource(uid: string): this {
    this.#datasource = { type: PLUGIN_ID, uid };
    return this;
  }

  /** Interaction types; none means all. */
  types(...types: readonly string[]): this {
    this.#query.types = [...types];
    return this;
  }

  /** A Flux duration such as `10m`, or `auto`. */
  every(every: string): this {
    this.#query.every = every;
    return this;
  }

  calc(calc: Calculation): this {
    this.#query.calc = calc;
    return this;
  }

  /** One series per value of these labels; none sums everything into one. */
  groupBy(...labels: readonly Label[]): this {
    this.#query.groupBy = [...labels];
    return this;
  }

  /** Adds the same series this much earlier, for example `1w`. */
  compareTo(duration: string): this {
    this.#query.compareTo = duration;
    return this;
  }

  /** What becomes of windows that the range cuts or that still run; without it they are hidden for rates, and marked otherwise. */
  incomplete(incomplete: IncompleteWindows): this {
    this.#query.incomplete = incomplete;
    return this;
  }

  /** Name of each series: `{{id}}`, `{{to}}`, `{{type}}` and `{{compare}}` are replaced. */
  legend(template: string): this {
    this.#query.legend = template;
    return this;
  }

  /** IANA zone in which windows are aligned; without one that of the dashboard, and UTC in alerts and public dashboards. */
  timezone(zone: string): this {
    this.#query.timezone = zone;
    return this;
  }

  /** For `pair` only: `both` adds what the second made to the first. */
  direction(direction: Direction): this {
    this.#query.direction = direction;
    return this;
  }

  live(): this {
    this.#query.live = true;
    return this;
  }

  build(): Dataquery {
    // The SDK tells queries from other objects by this method's presence in the type; it plays no part in the JSON.
    const { version, ...query } = this.#query;
    const datasource = { ...this.#datasource };
    return {
      refId: this.#refId,
      version,
      datasource,
      ...query,
      _implementsDataqueryVariant: undefined,
    } as unknown as Dataquery;
  }

  /** For `top` and `who` only. */
  of(of: RankedPreset, n: number): this {
    this.#query.of = of;
    this.#query.n = n;
    return this;
  }
}

export const made = (...ids: readonly string[]): UserpulseQueryBuilder => new UserpulseQueryBuilder('made', ids);
export const received = (...ids: readonly string[]): UserpulseQueryBuilder =>
  new UserpulseQueryBuilder('received', ids);
export const share = (...ids: readonly string[]): UserpulseQueryBuilder => new UserpulseQueryBuilder('share', ids);
export const everyone = (): UserpulseQueryBuilder => new UserpulseQueryBuilder('everyone');
/** What the first user made to the second; see {@link UserpulseQueryBuilder.direction}. */
export const pair = (first: string, second: string): UserpulseQueryBuilder =>
  new UserpulseQueryBuilder('pair', [first, second]);
/** The `n` users who interacted most with a user or share, or with whom a user interacted most (`made`). */
export const who = (of: RankedPreset, id: string, n = 10): UserpulseQueryBuilder =>
  new UserpulseQueryBuilder('who', [id]).of(of, n);
/** The `n` users or shares with the most interactions in the range. */
export const top = (of: RankedPreset, n = 10): UserpulseQueryBuilder => new UserpulseQueryBuilder('top').of(of, n);
