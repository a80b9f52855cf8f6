import type { QueryEditorProps } from '@grafana/data';
import { Combobox } from '@grafana/ui';
import type { UserpulseDataSource } from '../datasource.ts';
import { labels } from '../labels.ts';
import { ID_PRESETS, MAX_TOP } from '../query/limits.ts';
import { migrateVariableQuery } from '../query/migrate.ts';
import { selectors } from '../selectors.ts';
import { VARIABLE_LISTS } from '../types.ts';
import type { UserpulseOptions, UserpulseQuery, UserpulseVariableQuery } from '../types.ts';
import { useState } from 'react';
import { ErrorBoundary } from './ErrorBoundary.tsx';
import { EditorField, EditorRow } from './fields/EditorField.tsx';
import { TextInput } from './fields/TextInput.tsx';
import { TypesSelect } from './fields/TypesSelect.tsx';

type Props = QueryEditorProps<UserpulseDataSource, UserpulseQuery, UserpulseOptions, UserpulseVariableQuery>;

export function VariableEditor(props: Props) {
  return (
    <ErrorBoundary resetKey={props.query}>
      <VariableForm {...props} />
    </ErrorBoundary>
  );
}

const id = (field: string) => `userpulse-variable-${field}`;
const validCount = (text: string) => /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_TOP;

function VariableForm({ query: saved, onChange, datasource }: Props) {
  const [count, setCount] = useState<string>();
  const query = migrateVariableQuery(saved);
  const text = labels.variable;
  const change = (fields: Partial<UserpulseVariableQuery>) => onChange({ ...query, ...fields });
  return (
    <div data-testid={selectors.variableEditor.root}>
      <EditorRow>
        <EditorField htmlFor={id('list')} label={text.list.label} help={text.list.help} width={30}>
          <Combobox
            id={id('list')}
            options={VARIABLE_LISTS.map((value) => ({ value, ...text.list.options[value] }))}
            value={query.list}
            onChange={({ value }) => change({ list: value })}
          />
        </EditorField>
        {query.list !== 'types' && (
          <>
            <EditorField htmlFor={id('of')} label={labels.query.of.label} help={labels.query.of.help} width={34}>
              <Combobox
                id={id('of')}
                options={ID_PRESETS.map((value) => ({ value, label: labels.of[value] }))}
                value={query.of}
                onChange={({ value }) => change({ of: value })}
              />
            </EditorField>
            <EditorField
              htmlFor={id('n')}
              label={labels.query.n.label}
              help={labels.query.n.help}
              width={12}
              problem={count !== undefined && !validCount(count) ? labels.query.n.invalid : undefined}
            >
              <TextInput
                id={id('n')}
                type="number"
                label={labels.query.n.label}
                value={String(query.n)}
                onDraft={setCount}
                onCommit={(typed) => validCount(typed) && change({ n: Number(typed) })}
              />
            </EditorField>
            <EditorField
              htmlFor={id('types')}
              label={labels.query.types.label}
              help={labels.query.types.help}
              width={30}
            >
              <TypesSelect
                id={id('types')}
                datasource={datasource}
                types={query.types}
                onChange={(types) => change({ types })}
              />
            </EditorField>
          </>
        )}
      </EditorRow>
    </div>
  );
}
