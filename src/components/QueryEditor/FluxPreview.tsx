import { useEffect, useState } from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { ClipboardButton, Icon, useStyles2 } from '@grafana/ui';
import { texts } from '../../texts.ts';
import { messageOf } from '../../resources.ts';
import { Fold } from '../fields/Fold.tsx';
import { FluxText } from './FluxText.tsx';

interface Props {
  readonly id: string;
  /** Gives the Flux; undefined while the query is incomplete. A new function means a new text is wanted. */
  readonly translate: (() => Promise<string>) | undefined;
  readonly open: boolean;
  readonly onToggle: (open: boolean) => void;
}

type Answer = { readonly kind: 'flux'; readonly text: string } | { readonly kind: 'error'; readonly text: string };

/** Long enough that a word being typed gives one request. */
const DEBOUNCE_MS = 350;

/** The Flux that the backend would run for the query, asked for only while it is shown. */
export function FluxPreview({ id, translate, open, onToggle }: Props) {
  const answer = useAnswer(open ? translate : undefined);
  return (
    <Fold
      id={`${id}-flux`}
      title={texts.flux.title}
      summary={texts.flux.show}
      open={open}
      onToggle={onToggle}
      actions={
        open &&
        answer?.kind === 'flux' && (
          <ClipboardButton size="sm" variant="secondary" fill="text" icon="copy" getText={() => answer.text}>
            {texts.flux.copy}
          </ClipboardButton>
        )
      }
    >
      <Body answer={answer} incomplete={translate === undefined} />
    </Fold>
  );
}

function Body({ answer, incomplete }: { readonly answer: Answer | undefined; readonly incomplete: boolean }) {
  const styles = useStyles2(getStyles);
  if (incomplete) return <p className={styles.note}>{texts.flux.incomplete}</p>;
  if (!answer) return <p className={styles.note}>{texts.flux.loading}</p>;
  if (answer.kind === 'error') {
    return (
      <p className={styles.error} role="status">
        <Icon name="exclamation-triangle" /> {answer.text}
      </p>
    );
  }
  return <FluxText text={answer.text} />;
}

function useAnswer(translate: Props['translate']): Answer | undefined {
  const [answer, setAnswer] = useState<Answer>();
  useEffect(() => {
    if (!translate) return undefined;
    let current = true;
    const set = (next: Answer) => {
      if (current) setAnswer(next);
    };
    const timer = setTimeout(() => {
      translate().then(
        (text) => set({ kind: 'flux', text }),
        (error: unknown) => set({ kind: 'error', text: messageOf(error) }),
      );
    }, DEBOUNCE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [translate]);
  return answer;
}

const getStyles = (theme: GrafanaTheme2) => ({
  note: css({
    margin: theme.spacing(0.5, 0),
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
  error: css({
    margin: theme.spacing(0.5, 0),
    color: theme.colors.warning.text,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
});
