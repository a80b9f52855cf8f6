import { createDataFrame, CustomVariableSupport, FieldType } from '@grafana/data';
import type { DataQueryRequest, DataQueryResponse } from '@grafana/data';
import { from, map } from 'rxjs';
import type { Observable } from 'rxjs';
import { VariableEditor } from '../components/VariableEditor.tsx';
import type { UserpulseDataSource } from '../datasource.ts';
import { migrateVariableQuery } from '../query/migrate.ts';
import type { UserpulseOptions, UserpulseQuery, UserpulseVariableQuery } from '../types.ts';
import { listValues } from './list.ts';

/** Dashboard variables: each lists one thing that the backend knows. */
export class UserpulseVariableSupport extends CustomVariableSupport<
  UserpulseDataSource,
  UserpulseVariableQuery,
  UserpulseQuery,
  UserpulseOptions
> {
  override editor = VariableEditor;
  private readonly datasource: UserpulseDataSource;

  constructor(datasource: UserpulseDataSource) {
    super();
    this.datasource = datasource;
  }

  override query(request: DataQueryRequest<UserpulseVariableQuery>): Observable<DataQueryResponse> {
    const query = migrateVariableQuery(request.targets[0]);
    const types = this.datasource.expandTypes(query.types, request.scopedVars);
    return from(listValues({ ...query, types }, this.datasource.resources, request.range)).pipe(
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
}
