import { createDataFrame, CustomVariableSupport, FieldType } from '@grafana/data';
import type { DataQueryRequest, DataQueryResponse, TimeRange } from '@grafana/data';
import { from, map, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { problemText } from '../../contract/problem.ts';
import { idsProblem } from '../../contract/rules.ts';
import { VariableEditor } from '../components/VariableEditor.tsx';
import { DEFAULT_VARIABLE_QUERY } from '../query/defaults.ts';
import { problemsText, readSavedVariable } from '../query/saved.ts';
import type { UserpulseApi } from '../services.ts';
import type { UserpulseOptions, UserpulseQuery, UserpulseVariableQuery } from '../types.ts';
import { listValues } from './list.ts';

/** Dashboard variables: each lists one thing that the backend knows. */
export class UserpulseVariableSupport extends CustomVariableSupport<
  UserpulseApi,
  UserpulseVariableQuery,
  UserpulseQuery,
  UserpulseOptions
> {
  override editor = VariableEditor;
  private readonly datasource: UserpulseApi;

  constructor(datasource: UserpulseApi) {
    super();
    this.datasource = datasource;
  }

  /** Without it Grafana keeps a new variable empty until somebody chooses another list. */
  override getDefaultQuery(): Partial<UserpulseVariableQuery> {
    return DEFAULT_VARIABLE_QUERY;
  }

  override query(request: DataQueryRequest<UserpulseVariableQuery>): Observable<DataQueryResponse> {
    const { query, problems } = readSavedVariable(request.targets[0]);
    if (problems.size > 0) return throwError(() => new Error(problemsText(problems)));
    const types = this.datasource.expandTypes(query.types, request.scopedVars);
    const ids = query.list === 'who' ? this.datasource.expandIds([query.id ?? ''], request.scopedVars) : [];
    return from(this.values({ ...query, types }, ids, request.range)).pipe(
      map((values) => ({
        data: [
          createDataFrame({
            fields: [
              { name: 'text', type: FieldType.string, values },
              { name: 'value', type: FieldType.string, values },
            ],
          }),
        ],
      })),
    );
  }

  private async values(
    query: UserpulseVariableQuery,
    ids: readonly string[],
    range: TimeRange | undefined,
  ): Promise<string[]> {
    const { resources } = this.datasource;
    if (query.list === 'who') {
      const problem = idsProblem({ preset: 'who', ids, of: query.of }, await resources.idFormats());
      if (problem !== undefined) throw new Error(problemText(problem));
    }
    return listValues({ ...query, id: ids[0] ?? '' }, resources, range);
  }
}
