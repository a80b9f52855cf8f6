import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';
import { texts } from '../../texts.ts';
import { selectors } from '../../selectors.ts';

type Kind = 'comment' | 'string' | 'number' | 'call' | 'operator' | 'plain';

const TOKENS: readonly (readonly [Kind, RegExp])[] = [
  ['comment', /^\/\/[^\n]*/],
  ['string', /^"(?:[^"\\]|\\.)*"/],
  // Times and durations as well as numbers.
  ['number', /^\d[\dT:.Z-]*(?:ns|us|µs|ms|mo|[smhdwy])?\b/],
  ['call', /^[A-Za-z_]\w*(?=\s*\()/],
  ['operator', /^(?:\|>|=>|==|\b(?:and|or|import)\b)/],
  ['plain', /^(?:[A-Za-z_]\w*|\s+|[^])/],
];

/** Splits Flux for colouring. Not a parser: whatever it does not know stays as it is, and the pieces always make up the text. */
export function tokenize(text: string): readonly { readonly kind: Kind; readonly text: string }[] {
  const tokens: { kind: Kind; text: string }[] = [];
  for (let rest = text; rest !== '';) {
    const [kind, match] = firstMatch(rest);
    const last = tokens.at(-1);
    if (last?.kind === 'plain' && kind === 'plain') last.text += match;
    else tokens.push({ kind, text: match });
    rest = rest.slice(match.length);
  }
  return tokens;
}

function firstMatch(rest: string): readonly [Kind, string] {
  for (const [kind, pattern] of TOKENS) {
    const match = pattern.exec(rest)?.[0];
    if (match) return [kind, match];
  }
  return ['plain', rest];
}

/** Read-only Flux. A whole editor would weigh megabytes for a text that nobody edits. */
export function FluxText({ text }: { readonly text: string }) {
  const styles = useStyles2(getStyles);
  return (
    // Focusable, so that a keyboard can scroll it.
    <pre className={styles.pre} tabIndex={0} aria-label={texts.flux.text} data-testid={selectors.queryEditor.fluxText}>
      {tokenize(text).map((token, index) =>
        token.kind === 'plain' ? (
          token.text
        ) : (
          <span key={index} className={styles[token.kind]}>
            {token.text}
          </span>
        ),
      )}
    </pre>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  pre: css({
    margin: 0,
    maxHeight: 260,
    overflow: 'auto',
    padding: theme.spacing(1),
    fontSize: theme.typography.bodySmall.fontSize,
    fontFamily: theme.typography.fontFamilyMonospace,
    color: theme.colors.text.primary,
    background: theme.colors.background.canvas,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    '&:focus-visible': { outline: `2px solid ${theme.colors.primary.main}` },
  }),
  comment: css({ color: theme.colors.text.secondary }),
  string: css({ color: theme.colors.success.text }),
  number: css({ color: theme.visualization.getColorByName('purple') }),
  call: css({ color: theme.colors.primary.text }),
  operator: css({ color: theme.colors.warning.text }),
});
