import { useCallback, useLayoutEffect, useState } from 'react';
import type { KeyboardEvent, RefObject } from 'react';
import { css, cx } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Portal, useStyles2 } from '@grafana/ui';

export interface Suggestion {
  readonly value: string;
  readonly description?: string;
  readonly group?: string;
}

/**
 * The list under a text input (the combobox pattern of ARIA 1.2). Grafana's own Combobox forgets typed text when it loses focus;
 * here the text belongs to the input and the list only suggests.
 */
export interface SuggestionList {
  readonly open: boolean;
  readonly active: number;
  readonly show: () => void;
  readonly hide: () => void;
  /** Moves through the list; true when the key was for the list, so that the input leaves it alone. */
  readonly onKey: (event: KeyboardEvent) => boolean;
}

export function useSuggestionList(suggestions: readonly Suggestion[], pick: (value: string) => void): SuggestionList {
  const [open, setOpen] = useState(false);
  const [chosen, setActive] = useState(-1);
  const active = chosen < suggestions.length ? chosen : -1;
  const show = useCallback(() => setOpen(true), []);
  const hide = useCallback(() => {
    setOpen(false);
    setActive(-1);
  }, []);

  const onKey = (event: KeyboardEvent): boolean => {
    const count = suggestions.length;
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp': {
        if (count === 0) return false;
        const step = event.key === 'ArrowDown' ? 1 : -1;
        setOpen(true);
        // From the input (−1) up leads to the last one; past either end back to the input.
        setActive(((active + 1 + step + count + 1) % (count + 1)) - 1);
        event.preventDefault();
        return true;
      }
      case 'Enter': {
        const suggestion = open ? suggestions[active] : undefined;
        if (!suggestion) return false;
        event.preventDefault();
        pick(suggestion.value);
        setActive(-1);
        return true;
      }
      case 'Escape': {
        if (!open) return false;
        event.stopPropagation();
        hide();
        return true;
      }
      default:
        return false;
    }
  };
  return { open: open && suggestions.length > 0, active, show, hide, onKey };
}

/** Attributes that tie an input to its list. */
export const comboboxProps = (listId: string, list: SuggestionList) => ({
  role: 'combobox',
  autoComplete: 'off',
  spellCheck: false,
  'aria-autocomplete': 'list' as const,
  'aria-expanded': list.open,
  'aria-controls': listId,
  ...(list.open && list.active >= 0 && { 'aria-activedescendant': `${listId}-${list.active}` }),
});

interface ListProps {
  readonly id: string;
  readonly label: string;
  readonly list: SuggestionList;
  readonly suggestions: readonly Suggestion[];
  /** What the list hangs under. */
  readonly anchor: RefObject<HTMLElement | null>;
  readonly pick: (value: string) => void;
}

export function SuggestionPopup({ id, label, list, suggestions, anchor, pick }: ListProps) {
  const styles = useStyles2(getStyles);
  const place = usePlace(anchor, list.open);
  if (!list.open || !place) return null;
  return (
    <Portal>
      <div id={id} role="listbox" aria-label={label} className={styles.popup} style={place}>
        {suggestions.map(({ value, description, group }, index) => (
          <div key={`${group ?? ''}/${value}`}>
            {group !== undefined && group !== suggestions[index - 1]?.group && (
              <div className={styles.group} role="presentation">
                {group}
              </div>
            )}
            <div
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === list.active}
              className={cx(styles.option, index === list.active && styles.active)}
              ref={index === list.active ? scrollIntoView : undefined}
              // Not click: the input must keep the focus, or its blur would take the typed text first.
              onMouseDown={(event) => {
                event.preventDefault();
                pick(value);
              }}
            >
              <span>{value}</span>
              {description && <span className={styles.description}>{description}</span>}
            </div>
          </div>
        ))}
      </div>
    </Portal>
  );
}

function scrollIntoView(element: HTMLElement | null): void {
  element?.scrollIntoView({ block: 'nearest' });
}

interface Place {
  readonly left: number;
  readonly top: number;
  readonly minWidth: number;
  readonly maxHeight: number;
}

const GAP = 4;
const MOST_HEIGHT = 300;

/** Where the list is drawn: under its anchor, or above where there is more room; it follows when anything scrolls. */
function usePlace(anchor: RefObject<HTMLElement | null>, open: boolean): Place | undefined {
  const [place, setPlace] = useState<Place>();
  useLayoutEffect(() => {
    if (!open) return undefined;
    const measure = () => {
      const box = anchor.current?.getBoundingClientRect();
      if (!box) return;
      const below = window.innerHeight - box.bottom - 2 * GAP;
      const above = box.top - 2 * GAP;
      const up = below < 160 && above > below;
      const maxHeight = Math.max(80, Math.min(MOST_HEIGHT, up ? above : below));
      setPlace({
        left: box.left,
        top: up ? box.top - GAP - maxHeight : box.bottom + GAP,
        minWidth: box.width,
        maxHeight,
      });
    };
    measure();
    window.addEventListener('scroll', measure, true);
    window.addEventListener('resize', measure);
    return () => {
      window.removeEventListener('scroll', measure, true);
      window.removeEventListener('resize', measure);
    };
  }, [anchor, open]);
  return place;
}

const getStyles = (theme: GrafanaTheme2) => ({
  popup: css({
    position: 'fixed',
    zIndex: theme.zIndex.portal,
    overflowY: 'auto',
    maxWidth: 480,
    pointerEvents: 'auto',
    padding: theme.spacing(0.5),
    background: theme.colors.background.primary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    boxShadow: theme.shadows.z3,
  }),
  group: css({
    padding: theme.spacing(0.75, 1, 0.25),
    fontSize: theme.typography.bodySmall.fontSize,
    fontWeight: theme.typography.fontWeightMedium,
    color: theme.colors.text.secondary,
  }),
  option: css({
    display: 'flex',
    justifyContent: 'space-between',
    gap: theme.spacing(3),
    padding: theme.spacing(0.75, 1),
    borderRadius: theme.shape.radius.default,
    cursor: 'pointer',
    '&:hover': { background: theme.colors.action.hover },
  }),
  active: css({ background: theme.colors.action.focus, outline: `1px solid ${theme.colors.primary.border}` }),
  description: css({ color: theme.colors.text.secondary, fontSize: theme.typography.bodySmall.fontSize }),
});
