import type { QueryEditorProps } from '@grafana/data';
import type { UserpulseDataSource } from '../../datasource.ts';
import type { UserpulseOptions, UserpulseQuery } from '../../types.ts';
import { ErrorBoundary } from '../ErrorBoundary.tsx';
import { QueryForm } from './QueryForm.tsx';

export type Props = QueryEditorProps<UserpulseDataSource, UserpulseQuery, UserpulseOptions>;

export function QueryEditor(props: Props) {
  return (
    <ErrorBoundary resetKey={props.query}>
      <QueryForm {...props} />
    </ErrorBoundary>
  );
}
