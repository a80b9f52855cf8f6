import type { ReactNode } from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Icon, useStyles2 } from '@grafana/ui';

interface Props {
  readonly id: string;
  readonly title: string;
  /** Beside the title while it is folded: what is in it. */
  readonly summary: string;
  readonly open: boolean;
  readonly onToggle: (open: boolean) => void;
  /** At the end of the head. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** A part of the editor that is folded until it is wanted, as "Options" of Prometheus and Loki are. */
export function Fold({ id, title, summary, open, onToggle, actions, children }: Props) {
  const styles = useStyles2(getStyles);
  return (
    <div>
      <div className={styles.head}>
        <button
          type="button"
          className={styles.toggle}
          aria-expanded={open}
          aria-controls={id}
          onClick={() => onToggle(!open)}
        >
          <Icon name={open ? 'angle-down' : 'angle-right'} />
          <span className={styles.title}>{title}</span>
          {/* So that screen readers do not read both as one word. */}
          {!open && ' '}
          {!open && <span className={styles.summary}>{summary}</span>}
        </button>
        {actions}
      </div>
      <div id={id} hidden={!open}>
        {open && children}
      </div>
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  head: css({ display: 'flex', alignItems: 'center', justifyContent: 'space-between', minHeight: theme.spacing(3) }),
  toggle: css({
    display: 'inline-flex',
    // A long summary goes on in a second line; the title stays beside the first.
    alignItems: 'flex-start',
    gap: theme.spacing(0.5),
    minWidth: 0,
    padding: theme.spacing(0.25, 0.5, 0.25, 0),
    border: 0,
    background: 'none',
    textAlign: 'left',
    fontSize: theme.typography.bodySmall.fontSize,
    fontWeight: theme.typography.fontWeightMedium,
    color: theme.colors.text.primary,
    borderRadius: theme.shape.radius.default,
    '&:focus-visible': { outline: `2px solid ${theme.colors.primary.main}` },
  }),
  title: css({ flex: 'none' }),
  summary: css({ color: theme.colors.text.secondary, fontWeight: theme.typography.fontWeightRegular }),
});
