import type { ReactElement } from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Field, Icon, Tooltip, useStyles2 } from '@grafana/ui';

interface Props {
  /** Of the control; the label is bound to it. */
  readonly htmlFor: string;
  readonly label: string;
  readonly help?: string;
  readonly problem?: string | undefined;
  /** Width in multiples of 8 px, or what the control needs; a field wraps to a new line rather than become unusable. */
  readonly width: number | 'auto';
  /** Takes what is left of the row. */
  readonly grow?: boolean;
  readonly children: ReactElement<Record<string, unknown>>;
}

const PROBLEM_WIDTH = 34;

/** A labelled control of an editor row, with help on the label and what is wrong beneath it (announced as it changes). */
export function EditorField({ htmlFor, label, help, problem, width, grow = false, children }: Props) {
  // What is wrong is said beneath the control, and takes more room than most controls.
  const roomy = problem === undefined || width === 'auto' ? width : Math.max(width, PROBLEM_WIDTH);
  const styles = useStyles2(getStyles, roomy, grow);
  return (
    <div className={styles.cell}>
      <Field
        noMargin
        htmlFor={htmlFor}
        invalid={problem === undefined ? undefined : true}
        error={problem}
        label={
          <span className={styles.label}>
            <label htmlFor={htmlFor}>{label}</label>
            {help && (
              <Tooltip content={help} placement="top">
                <button type="button" className={styles.help} aria-label={`About ${label}`}>
                  <Icon name="info-circle" size="sm" />
                </button>
              </Tooltip>
            )}
          </span>
        }
      >
        {children}
      </Field>
    </div>
  );
}

/** A row of fields that wraps where it is too narrow. */
export function EditorRow({ children }: { readonly children: React.ReactNode }) {
  const styles = useStyles2(getRowStyles);
  return <div className={styles}>{children}</div>;
}

const getStyles = (theme: GrafanaTheme2, width: number | 'auto', grow: boolean) => ({
  cell: css({
    flex: width === 'auto' ? '0 1 auto' : `${grow ? '1 1' : '0 1'} ${theme.spacing(width)}`,
    minWidth: width === 'auto' ? 0 : `min(100%, ${theme.spacing(grow ? Math.min(width, 32) : Math.min(width, 14))})`,
    maxWidth: '100%',
    // A group of radio buttons is a fieldset; its legend and width are to be as those of the other fields. Where it is too narrow, Grafana's group
    // shortens every option ("Everyo…", "T…"); this one goes on in a new line instead.
    fieldset: { minWidth: 0 },
    legend: { margin: 0, lineHeight: 1 },
    '[role=radiogroup]': { flexWrap: 'wrap', '& > *': { flex: 'none' } },
  }),
  label: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(0.5),
    marginBottom: theme.spacing(0.5),
    fontSize: theme.typography.bodySmall.fontSize,
    fontWeight: theme.typography.fontWeightMedium,
    lineHeight: 1.25,
    color: theme.colors.text.primary,
    label: { margin: 0, fontWeight: 'inherit' },
  }),
  help: css({
    display: 'inline-flex',
    padding: 0,
    border: 0,
    background: 'none',
    color: theme.colors.text.secondary,
    borderRadius: theme.shape.radius.circle,
    '&:hover': { color: theme.colors.text.primary },
    '&:focus-visible': { outline: `2px solid ${theme.colors.primary.main}`, outlineOffset: 1 },
  }),
});

const getRowStyles = (theme: GrafanaTheme2) =>
  css({ display: 'flex', flexWrap: 'wrap', alignItems: 'flex-start', gap: theme.spacing(1.5, 2) });
