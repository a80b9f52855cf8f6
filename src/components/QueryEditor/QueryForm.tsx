import { useCallback, useMemo, useState } from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2, QueryEditorProps } from '@grafana/data';
import { Combobox, RadioButtonGroup, Switch, useStyles2 } from '@grafana/ui';
import { problemText } from '../../../contract/problem.ts';
import { isSeriesPreset, isTablePreset, PRESET_NAMES, subjectOf, type Preset } from '../../../contract/presets.ts';
import { CALCULATION_NAMES, countsPeople, DEFAULT_TOP, isSingle, LABELS } from '../../../contract/query.ts';
import { describeOptions } from '../../query/describe.ts';
import { changeSaved, readSaved, withoutProblems, type Change } from '../../query/saved.ts';
import { isValid, validateQuery } from '../../query/validate.ts';
import { selectors } from '../../selectors.ts';
import type { UserpulseApi } from '../../services.ts';
import { groupByKey, texts } from '../../texts.ts';
import type { UserpulseOptions, UserpulseQuery } from '../../types.ts';
import { EditorField, EditorRow } from '../fields/EditorField.tsx';
import { Fold } from '../fields/Fold.tsx';
import { IdsField } from '../fields/IdsField.tsx';
import {
  calculationOptions,
  INCOMPLETE_OPTIONS,
  COMPARE_SUGGESTIONS,
  DIRECTION_OPTIONS,
  LEGEND_SUGGESTIONS,
  presetOptions,
  RANKING_OPTIONS,
  timezoneOptions,
  WHO_OPTIONS,
  WINDOW_SUGGESTIONS,
} from '../fields/options.ts';
import type { Suggestion } from '../fields/Suggestions.tsx';
import { TextInput } from '../fields/TextInput.tsx';
import { TypesSelect } from '../fields/TypesSelect.tsx';
import { useIdFormats } from '../fields/useIdFormats.ts';
import { useIdsByKind } from '../fields/useIdsByKind.ts';
import { RefusedAlert } from '../RefusedAlert.tsx';
import { FluxPreview } from './FluxPreview.tsx';

export type QueryFormProps = QueryEditorProps<UserpulseApi, UserpulseQuery, UserpulseOptions>;

const text = texts.query;

/** Fields that are rarely used, and folded. */
const OPTIONS = ['compareTo', 'legend', 'timezone', 'incomplete', 'live'] as const;

export function QueryForm({ query: saved, onChange, onRunQuery, datasource, range: givenRange, data }: QueryFormProps) {
  const styles = useStyles2(getStyles);
  const { query, problems: refused } = useMemo(() => readSaved(saved), [saved]);
  const [draft, setDraft] = useState<Change<UserpulseQuery>>({});
  const idsWith = useIdsByKind(query);
  const [fluxOpen, setFluxOpen] = useState(false);
  const [optionsOpen, setOptionsOpen] = useState(false);
  const range = givenRange ?? data?.timeRange;
  const { isTemplate } = datasource;
  const formats = useIdFormats(datasource);

  const put = (next: UserpulseQuery) => {
    onChange(next);
    onRunQuery();
  };
  const change = (fields: Change<UserpulseQuery>) => put(changeSaved(saved, fields));
  const changePreset = (preset: Preset) =>
    change({
      preset,
      ids: idsWith(preset, query.of),
      ...(!isTablePreset(preset) && { of: undefined, n: undefined }),
      ...(preset === 'pair' ? countsPeople(query.calc) && { calc: undefined } : { direction: undefined }),
    });
  const rangeMs = range && range.to.valueOf() - range.from.valueOf();
  const { maxDataPoints, intervalMs, timezone, scopedVars } = data?.request ?? {};
  const problems = validateQuery({ ...query, ...stripUndefined(draft) }, isTemplate, {
    formats,
    rangeMs,
    replaced: datasource.applyTemplateVariables(query, scopedVars ?? {}),
  });
  const table = isTablePreset(query.preset);
  const wrongCount = table ? refused.get('n') : undefined;
  // What has no control that could say it.
  const elsewhere = wrongCount ? new Map([...refused].filter(([field]) => field !== 'n')) : refused;
  const complete = refused.size === 0 && isValid(problems);

  const idPreset = subjectOf(query.preset, query.of ?? DEFAULT_TOP.of);

  const translate = useCallback(
    () =>
      range
        ? datasource.translate(query, { range, maxDataPoints, intervalMs, timezone, scopedVars })
        : Promise.reject(new Error('no range')),
    // Range and scoped variables are new objects at every run; what matters of them is in these fields.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [datasource, query, range?.from.valueOf(), range?.to.valueOf(), maxDataPoints, intervalMs, timezone],
  );

  const id = (field: string) => `userpulse-${saved.refId}-${field}`;
  const series = isSeriesPreset(query.preset);
  const windows = series && !isSingle(query.calc);
  // What is wrong is never folded away. What opened for it stays open, or it would close on whoever is correcting it.
  const wrongOption =
    problems.compareTo !== undefined || problems.legend !== undefined || OPTIONS.some((field) => refused.has(field));
  if (series && wrongOption && !optionsOpen) setOptionsOpen(true);

  const typedField = (field: 'every' | 'compareTo' | 'legend', width: number, suggestions: readonly Suggestion[]) => (
    <EditorField
      htmlFor={id(field)}
      label={text[field].label}
      help={text[field].help}
      width={width}
      problem={problems[field]}
    >
      <TextInput
        id={id(field)}
        label={text[field].label}
        placeholder={field === 'every' ? undefined : text[field].placeholder}
        value={query[field] ?? ''}
        suggestions={suggestions}
        onDraft={(typed) => setDraft(typed === undefined || typed.trim() === '' ? {} : { [field]: typed.trim() })}
        onCommit={(committed) => change({ [field]: committed })}
      />
    </EditorField>
  );

  return (
    <div className={styles.editor} data-testid={selectors.queryEditor.root}>
      <RefusedAlert problems={elsewhere} onRemove={() => put(withoutProblems(saved))} />
      <EditorRow>
        <EditorField htmlFor={id('preset')} label={text.preset.label} help={text.preset.help} width="auto">
          <RadioButtonGroup
            id={id('preset')}
            aria-label={text.preset.label}
            options={presetOptions(PRESET_NAMES)}
            value={refused.has('preset') ? undefined : query.preset}
            onChange={changePreset}
          />
        </EditorField>
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
        {query.preset === 'pair' && (
          <EditorField htmlFor={id('direction')} label={text.direction.label} help={text.direction.help} width={18}>
            <Combobox
              id={id('direction')}
              options={DIRECTION_OPTIONS}
              value={refused.has('direction') ? null : (query.direction ?? 'to')}
              onChange={({ value }) => change({ direction: value })}
            />
          </EditorField>
        )}
        {table && (
          <>
            <EditorField htmlFor={id('of')} label={text.of.label} help={text.of.help} width={32}>
              <Combobox
                id={id('of')}
                options={query.preset === 'who' ? WHO_OPTIONS : RANKING_OPTIONS}
                value={refused.has('of') ? null : (query.of ?? DEFAULT_TOP.of)}
                onChange={({ value }) => change({ of: value, ids: idsWith(query.preset, value) })}
              />
            </EditorField>
            <EditorField
              htmlFor={id('n')}
              label={text.n.label}
              help={text.n.help}
              width={12}
              problem={wrongCount && problemText(wrongCount)}
            >
              <TextInput
                id={id('n')}
                type="number"
                label={text.n.label}
                value={String(saved.n ?? DEFAULT_TOP.n)}
                onCommit={(n) => change({ n: Number(n) })}
              />
            </EditorField>
          </>
        )}
        <EditorField
          htmlFor={id('types')}
          label={text.types.label}
          help={text.types.help}
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
      </EditorRow>

      {series && (
        <EditorRow>
          <EditorField htmlFor={id('calc')} label={text.calc.label} help={text.calc.help} width={18}>
            <Combobox
              id={id('calc')}
              options={calculationOptions(
                CALCULATION_NAMES.filter((calc) => query.preset !== 'pair' || !countsPeople(calc)),
              )}
              value={refused.has('calc') ? null : query.calc}
              onChange={({ value }) => change({ calc: value })}
            />
          </EditorField>
          {windows && typedField('every', 16, WINDOW_SUGGESTIONS)}
          <EditorField htmlFor={id('groupBy')} label={text.groupBy.label} help={text.groupBy.help} width={24}>
            <Combobox
              id={id('groupBy')}
              options={groupByOptions(idPreset !== undefined)}
              value={shownGroupBy(query, idPreset !== undefined)}
              onChange={({ value }) => change({ groupBy: LABELS.filter((label) => value.split(',').includes(label)) })}
            />
          </EditorField>
        </EditorRow>
      )}
      {series && (
        <Fold
          id={id('options')}
          title={texts.options.title}
          summary={describeOptions(query)}
          open={optionsOpen}
          onToggle={setOptionsOpen}
        >
          <EditorRow>
            {typedField('compareTo', 16, COMPARE_SUGGESTIONS)}
            {typedField('legend', 22, LEGEND_SUGGESTIONS)}
            <EditorField htmlFor={id('timezone')} label={text.timezone.label} help={text.timezone.help} width={22}>
              <Combobox
                id={id('timezone')}
                isClearable
                placeholder={text.timezone.placeholder}
                options={timezones()}
                value={query.timezone ?? null}
                onChange={(option) => change({ timezone: option?.value })}
              />
            </EditorField>
            {windows && (
              <EditorField
                htmlFor={id('incomplete')}
                label={text.incomplete.label}
                help={text.incomplete.help}
                width={20}
              >
                <Combobox
                  id={id('incomplete')}
                  isClearable
                  placeholder={text.incomplete.placeholder}
                  options={INCOMPLETE_OPTIONS}
                  value={refused.has('incomplete') ? null : (query.incomplete ?? null)}
                  onChange={(option) => change({ incomplete: option?.value })}
                />
              </EditorField>
            )}
            {windows && (
              <EditorField htmlFor={id('live')} label={text.live.label} help={text.live.help} width={8}>
                <div className={styles.switch}>
                  <Switch
                    id={id('live')}
                    value={query.live ?? false}
                    onChange={(event) => change({ live: event.currentTarget.checked })}
                  />
                </div>
              </EditorField>
            )}
          </EditorRow>
        </Fold>
      )}
      <FluxPreview
        id={id('')}
        translate={complete && range ? translate : undefined}
        open={fluxOpen}
        onToggle={setFluxOpen}
      />
    </div>
  );
}

let zones: ReturnType<typeof timezoneOptions> | undefined;
const timezones = () => (zones ??= timezoneOptions());

/** Everyone has no ids to split by. */
const groupByOptions = (withIds: boolean) => texts.groupBy.filter(({ value }) => withIds || !value.includes('id'));
const shownGroupBy = (query: UserpulseQuery, withIds: boolean) =>
  withIds ? groupByKey(query.groupBy) : (query.groupBy ?? LABELS).includes('type') ? 'type' : '';

const stripUndefined = (change: Change<UserpulseQuery>): Partial<UserpulseQuery> =>
  Object.fromEntries(Object.entries(change).filter((entry: [string, unknown]) => entry[1] !== undefined));

const getStyles = (theme: GrafanaTheme2) => ({
  editor: css({ display: 'flex', flexDirection: 'column', gap: theme.spacing(1.5), containerType: 'inline-size' }),
  switch: css({ display: 'flex', alignItems: 'center', height: theme.spacing(theme.components.height.md) }),
});
