import { Component } from 'react';
import type { ReactNode } from 'react';
import { Alert, Button } from '@grafana/ui';
import { texts } from '../texts.ts';

interface Props {
  readonly children: ReactNode;
  /** A change of it (another query, say) gives the children a new chance. */
  readonly resetKey?: unknown;
}

interface State {
  readonly error: Error | undefined;
}

/** Keeps a fault in one editor from taking the page with it, and says what happened. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: undefined };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidUpdate(previous: Props): void {
    if (this.state.error && previous.resetKey !== this.props.resetKey) this.setState({ error: undefined });
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Alert title={texts.errorBoundary.title} severity="error">
        <p>
          {texts.errorBoundary.body} <code>{error.message}</code>
        </p>
        <Button size="sm" variant="secondary" onClick={() => this.setState({ error: undefined })}>
          {texts.errorBoundary.retry}
        </Button>
      </Alert>
    );
  }
}
