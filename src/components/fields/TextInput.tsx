import { useRef, useState } from 'react';
import { Icon, Input } from '@grafana/ui';
import { comboboxProps, SuggestionPopup, useSuggestionList } from './Suggestions.tsx';
import type { Suggestion } from './Suggestions.tsx';

interface Props {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly suggestions?: readonly Suggestion[];
  /** On Enter, on leaving the input, and on picking a suggestion. */
  readonly onCommit: (text: string) => void;
  /** At each key, so that what is wrong shows while typing. */
  readonly onDraft?: (text: string | undefined) => void;
  readonly type?: 'text' | 'number';
  readonly invalid?: boolean;
  readonly 'aria-describedby'?: string;
  readonly 'data-testid'?: string;
}

/** A text that takes effect when it is finished, not at every key: each change of a query runs it. */
export function TextInput(props: Props) {
  const { id, label, value, suggestions = [], onCommit, onDraft, placeholder, type = 'text', invalid } = props;
  const [draft, setDraft] = useState<string>();
  const box = useRef<HTMLDivElement>(null);
  // While the text is as it was, all suggestions are shown; once it is being changed, those that fit.
  const needle = draft?.trim().toLowerCase() ?? '';
  const offered = suggestions.filter(
    (s) => s.value.toLowerCase().includes(needle) || s.description?.toLowerCase().includes(needle),
  );

  const commit = (text: string) => {
    setDraft(undefined);
    onDraft?.(undefined);
    if (text.trim() !== value) onCommit(text.trim());
  };
  const pick = (text: string) => {
    commit(text);
    list.hide();
  };
  const list = useSuggestionList(offered, pick);

  return (
    <div ref={box}>
      <Input
        {...(suggestions.length > 0 && comboboxProps(`${id}-list`, list))}
        id={id}
        type={type}
        // As Grafana's own fields that offer a list; the list opens with a click anywhere in the field.
        suffix={suggestions.length > 0 && <Icon name="angle-down" aria-hidden />}
        data-testid={props['data-testid']}
        value={draft ?? value}
        placeholder={placeholder}
        invalid={invalid ?? false}
        aria-invalid={invalid ?? false}
        aria-describedby={props['aria-describedby']}
        onChange={(event) => {
          setDraft(event.currentTarget.value);
          onDraft?.(event.currentTarget.value);
          list.show();
        }}
        onFocus={(event) => {
          event.currentTarget.select();
          list.show();
        }}
        onClick={list.show}
        onKeyDown={(event) => {
          if (list.onKey(event)) return;
          if (event.key === 'Enter' && draft !== undefined) {
            commit(draft);
            list.hide();
          }
        }}
        onBlur={() => {
          list.hide();
          if (draft !== undefined) commit(draft);
        }}
      />
      <SuggestionPopup id={`${id}-list`} label={label} list={list} suggestions={offered} anchor={box} pick={pick} />
    </div>
  );
}
