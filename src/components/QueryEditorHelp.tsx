import { css } from '@emotion/css';
import type { GrafanaTheme2, QueryEditorHelpProps } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';
import { texts } from '../texts.ts';
import { describeQuery } from '../query/describe.ts';
import { EXAMPLES } from '../query/examples.ts';
import { selectors } from '../selectors.ts';
import type { UserpulseQuery } from '../types.ts';

/** Grafana shows it in Explore and under "Help" of a query. A click on an example takes its place in the query. */
export function QueryEditorHelp({ onClickExample, query }: QueryEditorHelpProps<UserpulseQuery>) {
  const styles = useStyles2(getStyles);
  const { presets, rest } = texts.help;
  return (
    <div className={styles.page}>
      <h2>{texts.help.title}</h2>
      <ul className={styles.examples}>
        {EXAMPLES.map((example) => {
          const asked = { refId: 'A', ...example.query };
          return (
            <li key={example.title}>
              <button
                type="button"
                className={styles.example}
                data-testid={selectors.help.example}
                onClick={() => onClickExample({ ...asked, refId: refIdOf(query) })}
              >
                <span className={styles.title}>{example.title}</span>
                <code className={styles.code}>{describeQuery(asked)}</code>
                <span className={styles.why}>{example.why}</span>
              </button>
            </li>
          );
        })}
      </ul>
      <dl className={styles.facts}>
        {[...presets, ...rest].map(({ term, text }) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Explore may show the page before there is a query. */
const refIdOf = (query: UserpulseQuery | undefined): string => query?.refId ?? 'A';

const getStyles = (theme: GrafanaTheme2) => ({
  page: css({ h2: { ...theme.typography.h4 } }),
  examples: css({
    listStyle: 'none',
    margin: theme.spacing(1, 0, 3),
    display: 'grid',
    gap: theme.spacing(1),
    gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 320px), 1fr))',
  }),
  example: css({
    display: 'flex',
    flexDirection: 'column',
    gap: theme.spacing(0.5),
    width: '100%',
    height: '100%',
    padding: theme.spacing(1.5),
    textAlign: 'left',
    color: theme.colors.text.primary,
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    '&:hover': { background: theme.colors.emphasize(theme.colors.background.secondary, 0.03) },
    '&:focus-visible': { outline: `2px solid ${theme.colors.primary.main}`, outlineOffset: 2 },
  }),
  title: css({ fontWeight: theme.typography.fontWeightMedium }),
  code: css({ margin: 0, whiteSpace: 'normal', overflowWrap: 'anywhere' }),
  why: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
  facts: css({
    display: 'grid',
    gap: theme.spacing(1, 3),
    gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 320px), 1fr))',
    dt: { fontWeight: theme.typography.fontWeightMedium },
    dd: { color: theme.colors.text.secondary, margin: 0 },
  }),
});
