import { CoreApp } from '@grafana/data';
import type {
  AdHocVariableFilter,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceGetTagValuesOptions,
  DataSourceInstanceSettings,
  MetricFindValue,
  ScopedVars,
} from '@grafana/data';
import { config, DataSourceWithBackend, getGrafanaLiveSrv, getTemplateSrv } from '@grafana/runtime';
import type { GrafanaLiveSrv, TemplateSrv } from '@grafana/runtime';
import { from, map, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import { annotationSupport } from './annotations/support.ts';
import { DEFAULT_QUERY } from './query/defaults.ts';
import { describeQuery } from './query/describe.ts';
import { FILTER_KEY, filterTypes, needsKnownTypes } from './query/filters.ts';
import {
  expandSet,
  expandTypes,
  hasBuiltIn,
  interpolateQuery,
  rangeVars,
  resolveTimezone,
  standsForAll,
} from './query/interpolate.ts';
import { withMarks } from './query/incomplete.ts';
import { withDashboardLinks } from './query/links.ts';
import { prepare, withAnswers } from './query/prepare.ts';
import { isWellFormed, problemsText, readSaved } from './query/saved.ts';
import { isComplete } from './query/validate.ts';
import { canGoLive, endsNow, followLive, withStillNotices } from './live/stream.ts';
import { Resources } from './resources.ts';
import type { EditorServices, TranslateSettings } from './services.ts';
import type { UserpulseOptions, UserpulseQuery } from './types.ts';
import { UserpulseVariableSupport } from './variables/support.ts';

/** The editor of an alert rule evaluates once; a stream has no place there. */
const ALERTING: ReadonlySet<string> = new Set([CoreApp.UnifiedAlerting, CoreApp.CloudAlerting]);
const VALUED: ReadonlySet<string> = new Set(['query', 'custom', 'textbox', 'constant']);
const TIMEZONE = '${__timezone}';
const browserZone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/**
 * The data source as Grafana sees it. It replaces variables and applies ad-hoc filters, which only the browser knows; all else
 * is the backend's, so that alerts and public dashboards give the same numbers.
 */
export class UserpulseDataSource
  extends DataSourceWithBackend<UserpulseQuery, UserpulseOptions>
  implements EditorServices
{
  override readonly annotations = annotationSupport;
  override readonly variables: UserpulseVariableSupport;
  readonly resources: Resources;
  private readonly links: boolean;
  private readonly templateSrv: TemplateSrv;
  private readonly live: () => Pick<GrafanaLiveSrv, 'getStream'> | undefined;

  constructor(
    settings: DataSourceInstanceSettings<UserpulseOptions>,
    templateSrv: TemplateSrv = getTemplateSrv(),
    live: () => Pick<GrafanaLiveSrv, 'getStream'> | undefined = getGrafanaLiveSrv,
  ) {
    super(settings);
    this.links = settings.jsonData.dashboardLinks !== false;
    this.templateSrv = templateSrv;
    this.live = live;
    this.resources = new Resources(this);
    this.variables = new UserpulseVariableSupport(this);
  }

  override query(request: DataQueryRequest<UserpulseQuery>): Observable<DataQueryResponse> {
    // A public dashboard's server runs the saved queries by itself and ignores what the browser would send.
    if (config.publicDashboardAccessToken) return super.query(request);
    const scopedVars = { ...request.scopedVars, ...rangeVars(request.range) };
    const { filters: dashboardFilters = [], ...rest } = request;
    // A query of wrong form goes as it is: the backend says what is wrong with it, as it does to alerts and public dashboards.
    const refused = request.targets.filter((saved) => !isWellFormed(saved));
    const targets = request.targets.filter(isWellFormed).map((saved) => {
      const target = this.applyTemplateVariables(saved, scopedVars);
      const timezone = resolveTimezone(target.timezone, request.timezone, browserZone());
      const filters = [...dashboardFilters, ...(target.filters ?? [])];
      // Explore's Live button asks for all of its queries, whatever they say themselves.
      return { ...target, timezone, filters, ...(request.liveStreaming === true && { live: true }) };
    });
    const mustKnow = targets.some(({ types, filters }) => needsKnownTypes(types, filters));
    const known: Observable<readonly string[]> = mustKnow ? from(this.resources.types(request.range)) : of([]);
    return known.pipe(
      switchMap((types) => {
        const prepared = prepare(targets, types);
        const none: Observable<DataQueryResponse> = of({ data: [] });
        const queries = [...prepared.queries, ...refused];
        const asked = queries.length > 0 ? super.query({ ...rest, targets: queries }) : none;
        return asked.pipe(
          map((response) => withAnswers(response, prepared)),
          switchMap((response) => this.followed(response, prepared.queries, request)),
        );
      }),
      map((response) => (this.links ? withDashboardLinks(response, targets, request.dashboardUID) : response)),
      map((response) => withMarks(response, targets)),
    );
  }

  override filterQuery(saved: UserpulseQuery): boolean {
    return !isWellFormed(saved) || isComplete(readSaved(saved).query);
  }

  /** The query with its variables replaced; one of wrong form as it is. Alerts and public dashboards, which have no browser, do without this. */
  override applyTemplateVariables(saved: UserpulseQuery, scopedVars: ScopedVars): UserpulseQuery {
    const { query, problems } = readSaved(saved);
    if (problems.size > 0) return saved;
    return interpolateQuery(
      query,
      (text, format) => this.templateSrv.replace(text, scopedVars, format),
      (entry) => standsForAll(entry, this.templateSrv.getVariables(), scopedVars),
    );
  }

  /** For Explore and for panels with expressions: neither has the dashboard, so its time zone and filters go with the query. */
  override interpolateVariablesInQueries(
    queries: UserpulseQuery[],
    scopedVars: ScopedVars,
    filters: AdHocVariableFilter[] = [],
  ): UserpulseQuery[] {
    const zone = this.templateSrv.replace(TIMEZONE, scopedVars);
    return queries.map((saved) => {
      if (!isWellFormed(saved)) return saved;
      const query = this.applyTemplateVariables(saved, scopedVars);
      const timezone =
        query.timezone ?? (zone === TIMEZONE ? undefined : resolveTimezone(undefined, zone, browserZone()));
      return { ...query, ...(timezone !== undefined && { timezone }), ...this.filtered(query, filters) };
    });
  }

  override getDefaultQuery(_app: CoreApp): Partial<UserpulseQuery> {
    return DEFAULT_QUERY;
  }

  override getQueryDisplayText(saved: UserpulseQuery): string {
    const { query, problems } = readSaved(saved);
    return problems.size > 0 ? problemsText(problems) : describeQuery(query);
  }

  override targetContainsTemplate(saved: UserpulseQuery): boolean {
    const { ids, types, every, compareTo = '' } = readSaved(saved).query;
    return [...ids, ...types, every, compareTo].some(this.isTemplate);
  }

  override async getTagKeys(): Promise<MetricFindValue[]> {
    return Promise.resolve([{ text: FILTER_KEY, value: FILTER_KEY }]);
  }

  override async getTagValues(options: DataSourceGetTagValuesOptions<UserpulseQuery>): Promise<MetricFindValue[]> {
    if (options.key !== FILTER_KEY) return [];
    return (await this.resources.types(options.timeRange)).map((text) => ({ text, value: text }));
  }

  async translate(saved: UserpulseQuery, settings: TranslateSettings): Promise<string> {
    const { range, scopedVars = {}, timezone = '', ...rest } = settings;
    const query = this.applyTemplateVariables(saved, { ...scopedVars, ...rangeVars(range) });
    const zone = resolveTimezone(query.timezone, timezone, browserZone());
    return this.resources.translate(query, { ...rest, range, timezone: zone });
  }

  readonly isTemplate = (text: string): boolean => hasBuiltIn(text) || this.templateSrv.containsTemplate(text);

  expandTypes(types: readonly string[], scopedVars: ScopedVars): string[] {
    return expandTypes(types, (text, format) => this.templateSrv.replace(text, scopedVars, format));
  }

  expandIds(ids: readonly string[], scopedVars: ScopedVars): string[] {
    return expandSet(ids, (text, format) => this.templateSrv.replace(text, scopedVars, format)).filter(
      (id) => id !== '',
    );
  }

  variableNames(): string[] {
    return this.templateSrv
      .getVariables()
      .filter(({ type }) => VALUED.has(type))
      .map(({ name }) => name);
  }

  private followed(answer: DataQueryResponse, queries: readonly UserpulseQuery[], request: DataQueryRequest) {
    const live = this.live();
    if (request.liveStreaming === true) answer = withStillNotices(answer, queries);
    if (!live || !endsNow(request) || !queries.some(canGoLive) || ALERTING.has(request.app)) return of(answer);
    const rangeMs = request.range.to.valueOf() - request.range.from.valueOf();
    return followLive(answer, queries, { uid: this.uid, live, rangeMs, now: Date.now });
  }

  private filtered(query: UserpulseQuery, filters: readonly AdHocVariableFilter[]): Partial<UserpulseQuery> {
    const known = this.resources.lastTypes;
    if (filters.length === 0) return {};
    if (known === undefined && needsKnownTypes(query.types, filters)) return { filters };
    try {
      const { types, nothing } = filterTypes(query.types, filters, known ?? []);
      return nothing ? { filters } : { types };
    } catch {
      // `query` says what is wrong with the filter, at the place where the answer would be.
      return { filters };
    }
  }
}
