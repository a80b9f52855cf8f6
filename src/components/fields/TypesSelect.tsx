import { useCallback, useLayoutEffect, useRef } from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { MultiCombobox, useStyles2 } from '@grafana/ui';
import type { ComboboxOption } from '@grafana/ui';
import type { EditorServices } from '../../services.ts';
import { texts } from '../../texts.ts';

interface Props {
  readonly id: string;
  readonly datasource: EditorServices;
  readonly types: readonly string[];
  readonly onChange: (types: readonly string[]) => void;
  readonly invalid?: boolean;
  readonly 'aria-describedby'?: string;
}

/** Interaction types as the backend knows them, and the dashboard's variables. A type that did not occur yet can be typed. */
export function TypesSelect({ id, datasource, types, onChange, invalid = false }: Props) {
  const styles = useStyles2(getStyles);
  const box = useRef<HTMLDivElement>(null);
  // Grafana's component draws a red border only, and takes no such attribute; it ties what is wrong to its input itself.
  useLayoutEffect(() => {
    box.current?.querySelector('input')?.setAttribute('aria-invalid', String(invalid));
  }, [invalid]);
  const load = useCallback(
    async (typed: string): Promise<ComboboxOption[]> => {
      const fits = ({ value }: ComboboxOption) => value.toLowerCase().includes(typed.trim().toLowerCase());
      const variables = datasource.variableNames().map((name) => ({ value: `$${name}`, description: 'Variable' }));
      // What cannot be listed can still be typed; the query's own answer says what is wrong with the backend.
      const known = await datasource.resources.types().catch((): readonly string[] => []);
      return [...known.map((value) => ({ value })), ...variables].filter(fits);
    },
    [datasource],
  );
  return (
    <div ref={box} className={styles}>
      <MultiCombobox
        id={id}
        options={load}
        value={types.map((value) => ({ value, label: value }))}
        onChange={(chosen) => onChange(chosen.map(({ value }) => value))}
        placeholder={texts.query.types.placeholder}
        invalid={invalid}
        isClearable
        createCustomValue
      />
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  // Grafana's frame around the chosen values is as high as these; without any it is lower than every other field.
  css({ '& > div > div:first-of-type': { minHeight: theme.spacing(theme.components.height.md) } });
