import type { QueryEditorProps } from '@grafana/data';
import { Combobox } from '@grafana/ui';
import { MAX_TOP } from '../../contract/limits.ts';
import { VARIABLE_LISTS } from '../../contract/query.ts';
import type { UserpulseApi } from '../services.ts';
import { texts } from '../texts.ts';
import { changeSavedVariable, readSavedVariable, type Change } from '../query/saved.ts';
import type { UserpulseOptions, UserpulseQuery, UserpulseVariableQuery } from '../types.ts';
import { useState } from 'react';
import { ErrorBoundary } from './ErrorBoundary.tsx';
import { EditorField, EditorRow } from './fields/EditorField.tsx';
import { RANKING_OPTIONS, WHO_OPTIONS } from './fields/options.ts';
import { TextInput } from './fields/TextInput.tsx';
import { TypesSelect } from './fields/TypesSelect.tsx';
import { RefusedAlert } from './RefusedAlert.tsx';

type Props = QueryEditorProps<UserpulseApi, UserpulseQuery, UserpulseOptions, UserpulseVariableQuery>;

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
  const { query, problems: refused } = readSavedVariable(saved);
  const text = texts.variable;
  const change = (fields: Change<UserpulseVariableQuery>) => onChange(changeSavedVariable(saved, fields));
  return (
    <div>
      <RefusedAlert problems={refused} onRemove={() => onChange(query)} />
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
            <EditorField htmlFor={id('of')} label={texts.query.of.label} help={texts.query.of.help} width={34}>
              <Combobox
                id={id('of')}
                options={query.list === 'who' ? WHO_OPTIONS : RANKING_OPTIONS}
                value={query.of}
                onChange={({ value }) => change({ of: value })}
              />
            </EditorField>
            {query.list === 'who' && (
              <EditorField htmlFor={id('id')} label={text.id.label} help={text.id.help} width={28}>
                <TextInput
                  id={id('id')}
                  label={text.id.label}
                  placeholder={text.id.placeholder}
                  value={query.id ?? ''}
                  onCommit={(typed) => change({ id: typed })}
                />
              </EditorField>
            )}
            <EditorField
              htmlFor={id('n')}
              label={texts.query.n.label}
              help={texts.query.n.help}
              width={12}
              problem={count !== undefined && !validCount(count) ? texts.invalidCount : undefined}
            >
              <TextInput
                id={id('n')}
                type="number"
                label={texts.query.n.label}
                value={String(query.n)}
                onDraft={setCount}
                onCommit={(typed) => validCount(typed) && change({ n: Number(typed) })}
              />
            </EditorField>
            <EditorField htmlFor={id('types')} label={texts.query.types.label} help={texts.query.types.help} width={30}>
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
