import { Alert, LoadingPlaceholder } from '@grafana/ui';
import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';

type State<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'done'; readonly value: T };

/** Draws what a promise gives, or why it failed. `load` runs again when `key` changes. */
export function Loaded<T>({
  load,
  dependsOn,
  children,
}: {
  load: () => Promise<T>;
  dependsOn: string;
  children: (value: T) => ReactElement;
}) {
  const [state, setState] = useState<State<T>>({ kind: 'loading' });
  useEffect(() => {
    let wanted = true;
    setState({ kind: 'loading' });
    load().then(
      (value) => wanted && setState({ kind: 'done', value }),
      (error: unknown) =>
        wanted && setState({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
    );
    return () => void (wanted = false);
    // `load` is a new function on every render; `dependsOn` says when it means something else.
  }, [dependsOn]);
  switch (state.kind) {
    case 'loading':
      return <LoadingPlaceholder text="Loading …" />;
    case 'failed':
      return <Alert title={state.message} severity="error" />;
    case 'done':
      return children(state.value);
    default:
      return state satisfies never;
  }
}
