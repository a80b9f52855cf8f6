import { css } from '@emotion/css';
import { cloneElement } from 'react';
import type { ReactElement } from 'react';
import type { GrafanaTheme2 } from '@grafana/data';
import { Field, useStyles2 } from '@grafana/ui';

interface Props {
  readonly id: string;
  readonly label: string;
  readonly description?: string;
  readonly problem?: string | undefined;
  readonly children: ReactElement<Record<string, unknown>>;
}

/**
 * A control of the settings page. Grafana's own field puts the description into the label, and so into the control's name; here it
 * describes the control, as screen readers expect.
 */
export function SettingField({ id, label, description, problem, children }: Props) {
  const styles = useStyles2(getStyles);
  const described = description === undefined ? {} : { 'aria-describedby': `${id}-description` };
  return (
    <Field
      htmlFor={id}
      invalid={problem === undefined ? undefined : true}
      error={problem}
      label={
        <div className={styles.head}>
          <label htmlFor={id}>{label}</label>
          {description && <span id={`${id}-description`}>{description}</span>}
        </div>
      }
    >
      {cloneElement(children, { id, ...described })}
    </Field>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  head: css({
    display: 'flex',
    flexDirection: 'column',
    gap: theme.spacing(0.25),
    marginBottom: theme.spacing(0.5),
    fontSize: theme.typography.bodySmall.fontSize,
    lineHeight: 1.3,
    label: { margin: 0, fontWeight: theme.typography.fontWeightMedium, color: theme.colors.text.primary },
    span: { color: theme.colors.text.secondary },
  }),
});
