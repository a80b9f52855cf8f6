import { ErrorBoundary } from '../ErrorBoundary.tsx';
import { QueryForm, type QueryFormProps } from './QueryForm.tsx';

export function QueryEditor(props: QueryFormProps) {
  return (
    <ErrorBoundary resetKey={props.query}>
      <QueryForm {...props} />
    </ErrorBoundary>
  );
}
