import { Alert, Button } from '@grafana/ui';
import type { Problem } from '../../contract/problem.ts';
import { problemText } from '../../contract/problem.ts';
import { texts } from '../texts.ts';

interface Props {
  readonly problems: ReadonlyMap<string, Problem>;
  /** Takes the refused fields away, which gives them their defaults. */
  readonly onRemove: () => void;
}

/** What the backend refuses about a saved query. Nothing is corrected unless somebody asks for it. */
export function RefusedAlert({ problems, onRemove }: Props) {
  if (problems.size === 0) return null;
  return (
    <Alert title={texts.refused.title} severity="error">
      <ul>
        {[...problems].map(([field, problem]) => (
          <li key={field}>{problemText(problem)}</li>
        ))}
      </ul>
      <Button size="sm" variant="secondary" onClick={onRemove}>
        {texts.refused.remove}
      </Button>
    </Alert>
  );
}
