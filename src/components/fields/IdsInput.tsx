import { useRef, useState } from 'react';
import type { ClipboardEvent, KeyboardEvent } from 'react';
import { css, cx } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Icon, useStyles2 } from '@grafana/ui';
import { texts } from '../../texts.ts';
import { splitList } from '../../query/interpolate.ts';
import { selectors } from '../../selectors.ts';
import { comboboxProps, SuggestionPopup, useSuggestionList } from './Suggestions.tsx';
import type { Suggestion } from './Suggestions.tsx';

interface Props {
  readonly id: string;
  readonly label: string;
  readonly placeholder: string;
  readonly ids: readonly string[];
  readonly suggestions: readonly Suggestion[];
  readonly onChange: (ids: readonly string[]) => void;
  /** What is wrong with one id, shown on it. */
  readonly problemOf: (id: string) => string | undefined;
  /** A note about one id, shown on it (when a share was created). */
  readonly noteOf?: (id: string) => string | undefined;
  readonly isTemplate: (text: string) => boolean;
  /** The first time that suggestions may be needed. */
  readonly onOpen?: () => void;
  readonly invalid?: boolean;
  readonly 'aria-describedby'?: string;
}

/**
 * Several ids as chips in a text input. A comma, space or Enter ends an id, a pasted list becomes chips at once, and what was
 * typed is kept when the input loses focus.
 */
export function IdsInput(props: Props) {
  const { id, ids, onChange, isTemplate, problemOf, noteOf, invalid = false } = props;
  const styles = useStyles2(getStyles, invalid);
  const [text, setText] = useState('');
  const [said, setSaid] = useState('');
  const box = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);

  const needle = text.trim().toLowerCase();
  const offered = props.suggestions.filter(({ value }) => !ids.includes(value) && value.toLowerCase().includes(needle));
  const add = (typed: string) => {
    const fresh = splitList(typed).filter((entry, at, all) => !ids.includes(entry) && all.indexOf(entry) === at);
    setText('');
    if (fresh.length === 0) return;
    onChange([...ids, ...fresh]);
    setSaid(texts.idsInput.added(fresh.join(', ')));
  };
  const remove = (entry: string) => {
    onChange(ids.filter((other) => other !== entry));
    setSaid(texts.idsInput.removed(entry));
    input.current?.focus();
  };
  const list = useSuggestionList(offered, add);

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (list.onKey(event)) return;
    const last = ids.at(-1);
    if (event.key === 'Enter' || event.key === ',' || event.key === ';' || event.key === ' ') {
      event.preventDefault();
      add(text);
    } else if (event.key === 'Backspace' && text === '' && last !== undefined) {
      remove(last);
    }
  };
  const onPaste = (event: ClipboardEvent<HTMLInputElement>) => {
    const pasted = event.clipboardData.getData('text');
    if (splitList(pasted).length < 2) return;
    event.preventDefault();
    add(`${text} ${pasted}`);
  };
  const open = () => {
    props.onOpen?.();
    list.show();
  };

  return (
    // A click beside the chips goes to the input, as in any text field; keyboards reach it by Tab.
    <div
      ref={box}
      className={styles.box}
      data-testid={selectors.queryEditor.ids}
      onMouseDown={(event) => {
        if (event.target === box.current) {
          event.preventDefault();
          input.current?.focus();
        }
      }}
    >
      {ids.map((entry, at) => {
        const variable = isTemplate(entry);
        const problem = variable ? undefined : problemOf(entry);
        const note = problem ?? noteOf?.(entry);
        return (
          <span
            key={entry}
            className={cx(styles.chip, variable && styles.variable, problem !== undefined && styles.wrong)}
            title={note}
            data-testid={selectors.queryEditor.idChip}
          >
            <span className={styles.chipText}>{entry}</span>
            {/* The title is for the mouse only; those who come by keys are told with the button. */}
            {note !== undefined && (
              <span id={`${id}-note-${at}`} className={styles.said}>
                {note}
              </span>
            )}
            <button
              type="button"
              className={styles.remove}
              aria-label={texts.idsInput.remove(entry)}
              aria-describedby={note === undefined ? undefined : `${id}-note-${at}`}
              onClick={() => remove(entry)}
            >
              <Icon name="times" size="sm" />
            </button>
          </span>
        );
      })}
      <input
        {...comboboxProps(`${id}-list`, list)}
        ref={input}
        id={id}
        className={styles.input}
        value={text}
        placeholder={ids.length === 0 ? props.placeholder : ''}
        aria-invalid={invalid}
        aria-describedby={props['aria-describedby']}
        onChange={(event) => {
          setText(event.currentTarget.value);
          open();
        }}
        onFocus={open}
        onClick={open}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onBlur={() => {
          list.hide();
          add(text);
        }}
      />
      <Icon name="angle-down" className={styles.caret} aria-hidden />
      <SuggestionPopup
        id={`${id}-list`}
        label={props.label}
        list={list}
        suggestions={offered}
        anchor={box}
        pick={add}
      />
      <span className={styles.said} aria-live="polite">
        {said}
      </span>
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2, invalid: boolean) => ({
  box: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(0.5),
    minHeight: theme.spacing(theme.components.height.md),
    padding: theme.spacing(0.375, 0.5),
    cursor: 'text',
    background: theme.components.input.background,
    border: `1px solid ${invalid ? theme.colors.error.border : theme.components.input.borderColor}`,
    borderRadius: theme.shape.radius.default,
    '&:hover': { borderColor: invalid ? theme.colors.error.shade : theme.components.input.borderHover },
    '&:focus-within': {
      outline: `2px solid ${theme.colors.primary.main}`,
      outlineOffset: 1,
    },
  }),
  chip: css({
    display: 'inline-flex',
    alignItems: 'center',
    maxWidth: '100%',
    height: theme.spacing(3),
    paddingLeft: theme.spacing(0.75),
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    fontSize: theme.typography.bodySmall.fontSize,
    fontVariantNumeric: 'tabular-nums',
  }),
  chipText: css({ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }),
  variable: css({
    color: theme.colors.primary.text,
    background: theme.colors.primary.transparent,
    borderColor: theme.colors.primary.borderTransparent,
    fontFamily: theme.typography.fontFamilyMonospace,
  }),
  wrong: css({
    color: theme.colors.error.text,
    background: theme.colors.error.transparent,
    borderColor: theme.colors.error.borderTransparent,
  }),
  remove: css({
    display: 'inline-flex',
    alignItems: 'center',
    height: '100%',
    padding: theme.spacing(0, 0.375),
    border: 0,
    background: 'none',
    color: 'inherit',
    opacity: 0.7,
    '&:hover, &:focus-visible': { opacity: 1 },
    '&:focus-visible': { outline: `2px solid ${theme.colors.primary.main}`, outlineOffset: -2 },
  }),
  input: css({
    flex: '1 1 60px',
    minWidth: 60,
    height: theme.spacing(3),
    padding: theme.spacing(0, 0.5),
    border: 0,
    outline: 'none',
    background: 'transparent',
    color: theme.components.input.text,
    '&::placeholder': { color: theme.colors.text.disabled, opacity: 1 },
  }),
  caret: css({ flex: 'none', color: theme.colors.text.secondary, pointerEvents: 'none' }),
  said: css({
    position: 'absolute',
    width: 1,
    height: 1,
    overflow: 'hidden',
    clipPath: 'inset(50%)',
    whiteSpace: 'nowrap',
  }),
});
