import { useMemo, useState } from 'react';
import type { QueryEditorProps } from '@grafana/data';
import { Combobox, RadioButtonGroup } from '@grafana/ui';
import { annotationQuery } from '../annotations/query.ts';
import { SERIES_PRESETS, subjectOf } from '../../contract/presets.ts';
import { ANNOTATION_KINDS, DEFAULT_TOP, type AnnotationKind } from '../../contract/query.ts';
import type { UserpulseApi } from '../services.ts';
import { texts } from '../texts.ts';
import { DEFAULT_ANNOTATION, DEFAULT_ANNOTATION_QUERY } from '../query/defaults.ts';
import { changeSaved, type Change } from '../query/saved.ts';
import { validateQuery } from '../query/validate.ts';
import type { UserpulseOptions, UserpulseQuery } from '../types.ts';
import { ErrorBoundary } from './ErrorBoundary.tsx';
import { EditorField, EditorRow } from './fields/EditorField.tsx';
import { IdsField } from './fields/IdsField.tsx';
import { calculationOptions, presetOptions, WINDOW_SUGGESTIONS } from './fields/options.ts';
import { TextInput } from './fields/TextInput.tsx';
import { TypesSelect } from './fields/TypesSelect.tsx';
import { useIdFormats } from './fields/useIdFormats.ts';
import { useIdsByKind } from './fields/useIdsByKind.ts';
import { RefusedAlert } from './RefusedAlert.tsx';

type Props = QueryEditorProps<UserpulseApi, UserpulseQuery, UserpulseOptions>;

export function AnnotationEditor(props: Props) {
  return (
    <ErrorBoundary resetKey={props.query}>
      <AnnotationForm {...props} />
    </ErrorBoundary>
  );
}

const text = texts.annotation;
const CALCULATIONS = ['count', 'rate'] as const;
const id = (field: string) => `userpulse-annotation-${field}`;

function AnnotationForm({ query: saved, onChange, datasource, range: givenRange, data }: Props) {
  const { query, problems: refused } = useMemo(() => annotationQuery(saved), [saved]);
  const [threshold, setThreshold] = useState<string>();
  const range = givenRange ?? data?.timeRange;
  const annotation = query.annotation ?? DEFAULT_ANNOTATION;
  const formats = useIdFormats(datasource);
  const problems = validateQuery(query, datasource.isTemplate, {
    formats,
    replaced: datasource.applyTemplateVariables(query, data?.request?.scopedVars ?? {}),
  });
  const change = (fields: Change<UserpulseQuery>) =>
    onChange(changeSaved({ ...DEFAULT_ANNOTATION_QUERY, ...saved }, fields));
  const idsWith = useIdsByKind(query);
  const idPreset = subjectOf(query.preset, DEFAULT_TOP.of);
  const changeKind = (kind: AnnotationKind) =>
    // Only shares tell when they were created.
    change({
      annotation: { ...annotation, kind },
      ...(kind === 'created' && { preset: 'share', ids: idsWith('share') }),
    });
  const wrongThreshold = threshold !== undefined && !(Number(threshold) > 0);

  return (
    <div>
      <RefusedAlert problems={refused} onRemove={() => onChange(query)} />
      <EditorRow>
        <EditorField htmlFor={id('kind')} label={text.kind.label} help={text.kind.help} width={24}>
          <Combobox
            id={id('kind')}
            options={ANNOTATION_KINDS.map((value) => ({ value, ...text.kind.options[value] }))}
            value={annotation.kind}
            onChange={({ value }) => changeKind(value)}
          />
        </EditorField>
        {annotation.kind === 'threshold' && (
          <EditorField
            htmlFor={id('preset')}
            label={texts.query.preset.label}
            help={texts.query.preset.help}
            width="auto"
          >
            <RadioButtonGroup
              id={id('preset')}
              aria-label={texts.query.preset.label}
              options={presetOptions(SERIES_PRESETS)}
              value={refused.has('preset') ? undefined : query.preset}
              onChange={(preset) => change({ preset, ids: idsWith(preset) })}
            />
          </EditorField>
        )}
        {idPreset && (
          <IdsField
            formats={formats}
            id={id('ids')}
            datasource={datasource}
            preset={idPreset}
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
              label={texts.query.types.label}
              help={texts.query.types.help}
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
            <EditorField htmlFor={id('calc')} label={texts.query.calc.label} help={texts.query.calc.help} width={18}>
              <Combobox
                id={id('calc')}
                options={calculationOptions(CALCULATIONS)}
                value={query.calc}
                onChange={({ value }) => change({ calc: value })}
              />
            </EditorField>
            <EditorField
              htmlFor={id('every')}
              label={texts.query.every.label}
              help={texts.query.every.help}
              width={16}
              problem={problems.every}
            >
              <TextInput
                id={id('every')}
                label={texts.query.every.label}
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
