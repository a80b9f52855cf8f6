import { useMemo, useState } from 'react';
import type { QueryEditorProps } from '@grafana/data';
import { Combobox, RadioButtonGroup } from '@grafana/ui';
import { annotationQuery } from '../annotations/query.ts';
import type { UserpulseDataSource } from '../datasource.ts';
import { labels } from '../labels.ts';
import { DEFAULT_ANNOTATION } from '../query/defaults.ts';
import { isIdPreset, PRESETS } from '../query/limits.ts';
import { migrateQuery } from '../query/migrate.ts';
import { validateQuery } from '../query/validate.ts';
import { selectors } from '../selectors.ts';
import { ANNOTATION_KINDS } from '../types.ts';
import type { UserpulseOptions, UserpulseQuery } from '../types.ts';
import { ErrorBoundary } from './ErrorBoundary.tsx';
import { EditorField, EditorRow } from './fields/EditorField.tsx';
import { IdsField } from './fields/IdsField.tsx';
import { WINDOW_SUGGESTIONS } from './fields/options.ts';
import { TextInput } from './fields/TextInput.tsx';
import { TypesSelect } from './fields/TypesSelect.tsx';

type Props = QueryEditorProps<UserpulseDataSource, UserpulseQuery, UserpulseOptions>;

export function AnnotationEditor(props: Props) {
  return (
    <ErrorBoundary resetKey={props.query}>
      <AnnotationForm {...props} />
    </ErrorBoundary>
  );
}

const text = labels.annotation;
const SERIES_PRESETS = PRESETS.filter((preset) => preset !== 'top');
const CALCULATIONS = ['count', 'rate'] as const;
const id = (field: string) => `userpulse-annotation-${field}`;

function AnnotationForm({ query: saved, onChange, datasource, range: givenRange, data }: Props) {
  const query = useMemo(() => annotationQuery(saved), [saved]);
  const [threshold, setThreshold] = useState<string>();
  const range = givenRange ?? data?.timeRange;
  const annotation = query.annotation ?? DEFAULT_ANNOTATION;
  const problems = validateQuery(query, datasource.isTemplate);
  const change = (fields: Partial<UserpulseQuery>) => onChange(migrateQuery({ ...query, ...fields }));
  const wrongThreshold = threshold !== undefined && !(Number(threshold) > 0);

  return (
    <div data-testid={selectors.annotationEditor.root}>
      <EditorRow>
        <EditorField htmlFor={id('kind')} label={text.kind.label} help={text.kind.help} width={24}>
          <Combobox
            id={id('kind')}
            options={ANNOTATION_KINDS.map((value) => ({ value, ...text.kind.options[value] }))}
            value={annotation.kind}
            onChange={({ value }) => change({ annotation: { ...annotation, kind: value } })}
          />
        </EditorField>
        {annotation.kind === 'threshold' && (
          <EditorField
            htmlFor={id('preset')}
            label={labels.query.preset.label}
            help={labels.query.preset.help}
            width="auto"
          >
            <RadioButtonGroup
              id={id('preset')}
              aria-label={labels.query.preset.label}
              options={SERIES_PRESETS.map((value) => ({ value, ...labels.preset[value] }))}
              value={query.preset}
              onChange={(preset) => change({ preset })}
            />
          </EditorField>
        )}
        {isIdPreset(query.preset) && (
          <IdsField
            id={id('ids')}
            datasource={datasource}
            preset={query.preset}
            ids={query.ids}
            range={range}
            problem={problems.ids}
            onChange={(ids) => change({ ids })}
          />
        )}
        {annotation.kind === 'threshold' && (
          <>
            <EditorField
              htmlFor={id('types')}
              label={labels.query.types.label}
              help={labels.query.types.help}
              width={24}
              grow
              problem={problems.types}
            >
              <TypesSelect
                id={id('types')}
                datasource={datasource}
                types={query.types}
                onChange={(types) => change({ types })}
              />
            </EditorField>
            <EditorField htmlFor={id('calc')} label={labels.query.calc.label} help={labels.query.calc.help} width={18}>
              <Combobox
                id={id('calc')}
                options={CALCULATIONS.map((value) => ({ value, ...labels.calc[value] }))}
                value={query.calc}
                onChange={({ value }) => change({ calc: value })}
              />
            </EditorField>
            <EditorField
              htmlFor={id('every')}
              label={labels.query.every.label}
              help={labels.query.every.help}
              width={16}
              problem={problems.every}
            >
              <TextInput
                id={id('every')}
                label={labels.query.every.label}
                value={query.every}
                suggestions={WINDOW_SUGGESTIONS}
                onCommit={(every) => change({ every })}
              />
            </EditorField>
            <EditorField
              htmlFor={id('threshold')}
              label={text.threshold.label}
              help={text.threshold.help}
              width={14}
              problem={wrongThreshold ? text.threshold.invalid : undefined}
            >
              <TextInput
                id={id('threshold')}
                type="number"
                label={text.threshold.label}
                value={String(annotation.threshold)}
                onDraft={setThreshold}
                onCommit={(typed) =>
                  Number(typed) > 0 && change({ annotation: { ...annotation, threshold: Number(typed) } })
                }
              />
            </EditorField>
          </>
        )}
      </EditorRow>
    </div>
  );
}
