import { useCallback, useMemo, useState } from 'react';
import { css } from '@emotion/css';
import type { GrafanaTheme2, QueryEditorProps } from '@grafana/data';
import { Combobox, RadioButtonGroup, Switch, useStyles2 } from '@grafana/ui';
import type { UserpulseDataSource } from '../../datasource.ts';
import { groupByKey, labels } from '../../labels.ts';
import { CALCULATIONS, ID_PRESETS, isIdPreset, LABELS, PRESETS } from '../../query/limits.ts';
import { migrateQuery } from '../../query/migrate.ts';
import { isValid, validateQuery } from '../../query/validate.ts';
import { selectors } from '../../selectors.ts';
import type { UserpulseOptions, UserpulseQuery } from '../../types.ts';
import { EditorField, EditorRow } from '../fields/EditorField.tsx';
import { IdsField } from '../fields/IdsField.tsx';
import { COMPARE_SUGGESTIONS, LEGEND_SUGGESTIONS, timezoneOptions, WINDOW_SUGGESTIONS } from '../fields/options.ts';
import { TextInput } from '../fields/TextInput.tsx';
import { TypesSelect } from '../fields/TypesSelect.tsx';
import { FluxPreview } from './FluxPreview.tsx';

export type QueryFormProps = QueryEditorProps<UserpulseDataSource, UserpulseQuery, UserpulseOptions>;

/** A change of some fields; `undefined` takes a field away. */
type Change = { readonly [K in keyof UserpulseQuery]?: UserpulseQuery[K] | undefined };

const text = labels.query;

export function QueryForm({ query: saved, onChange, onRunQuery, datasource, range: givenRange, data }: QueryFormProps) {
  const styles = useStyles2(getStyles);
  const query = useMemo(() => migrateQuery(saved), [saved]);
  const [draft, setDraft] = useState<Change>({});
  const [fluxOpen, setFluxOpen] = useState(false);
  const range = givenRange ?? data?.timeRange;
  const { isTemplate } = datasource;

  const change = (fields: Change) => {
    onChange(migrateQuery({ ...query, ...fields }));
    onRunQuery();
  };
  const draftOf = (field: 'every' | 'compareTo' | 'legend') => (typed: string | undefined) =>
    setDraft(typed === undefined || typed.trim() === '' ? {} : { [field]: typed.trim() });

  const rangeMs = range && range.to.valueOf() - range.from.valueOf();
  const problems = validateQuery({ ...query, ...stripUndefined(draft) }, isTemplate, rangeMs);
  const complete = isValid(problems);

  const idPreset = isIdPreset(query.preset) ? query.preset : undefined;

  const { maxDataPoints, intervalMs, timezone, scopedVars } = data?.request ?? {};
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
  const series = query.preset !== 'top';
  const windows = series && query.calc !== 'total';

  return (
    <div className={styles.editor} data-testid={selectors.queryEditor.root}>
      <EditorRow>
        <EditorField htmlFor={id('preset')} label={text.preset.label} help={text.preset.help} width="auto">
          <RadioButtonGroup
            id={id('preset')}
            data-testid={selectors.queryEditor.preset}
            aria-label={text.preset.label}
            options={PRESETS.map((value) => ({ value, ...labels.preset[value] }))}
            value={query.preset}
            onChange={(preset) => change({ preset })}
          />
        </EditorField>
        {idPreset && (
          <IdsField
            id={id('ids')}
            datasource={datasource}
            preset={idPreset}
            ids={query.ids}
            range={range}
            problem={problems.ids}
            onChange={(ids) => change({ ids })}
          />
        )}
        {query.preset === 'top' && (
          <>
            <EditorField htmlFor={id('of')} label={text.of.label} help={text.of.help} width={32}>
              <Combobox
                id={id('of')}
                data-testid={selectors.queryEditor.of}
                options={ID_PRESETS.map((value) => ({ value, label: labels.of[value] }))}
                value={query.of ?? null}
                onChange={({ value }) => change({ of: value })}
              />
            </EditorField>
            <EditorField htmlFor={id('n')} label={text.n.label} help={text.n.help} width={12} problem={problems.n}>
              <TextInput
                id={id('n')}
                type="number"
                label={text.n.label}
                data-testid={selectors.queryEditor.n}
                value={String(query.n ?? '')}
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
              data-testid={selectors.queryEditor.calc}
              options={CALCULATIONS.map((value) => ({ value, ...labels.calc[value] }))}
              value={query.calc}
              onChange={({ value }) => change({ calc: value })}
            />
          </EditorField>
          {windows && (
            <EditorField
              htmlFor={id('every')}
              label={text.every.label}
              help={text.every.help}
              width={16}
              problem={problems.every}
            >
              <TextInput
                id={id('every')}
                label={text.every.label}
                data-testid={selectors.queryEditor.every}
                value={query.every}
                suggestions={WINDOW_SUGGESTIONS}
                onDraft={draftOf('every')}
                onCommit={(every) => change({ every })}
              />
            </EditorField>
          )}
          <EditorField htmlFor={id('groupBy')} label={text.groupBy.label} help={text.groupBy.help} width={18}>
            <Combobox
              id={id('groupBy')}
              data-testid={selectors.queryEditor.groupBy}
              options={groupByOptions(idPreset !== undefined)}
              value={shownGroupBy(query, idPreset !== undefined)}
              onChange={({ value }) => change({ groupBy: LABELS.filter((label) => value.split(',').includes(label)) })}
            />
          </EditorField>
          <EditorField
            htmlFor={id('compareTo')}
            label={text.compareTo.label}
            help={text.compareTo.help}
            width={16}
            problem={problems.compareTo}
          >
            <TextInput
              id={id('compareTo')}
              label={text.compareTo.label}
              data-testid={selectors.queryEditor.compareTo}
              placeholder={text.compareTo.placeholder}
              value={query.compareTo ?? ''}
              suggestions={COMPARE_SUGGESTIONS}
              onDraft={draftOf('compareTo')}
              onCommit={(compareTo) => change({ compareTo })}
            />
          </EditorField>
          <EditorField
            htmlFor={id('legend')}
            label={text.legend.label}
            help={text.legend.help}
            width={22}
            problem={problems.legend}
          >
            <TextInput
              id={id('legend')}
              label={text.legend.label}
              data-testid={selectors.queryEditor.legend}
              placeholder={text.legend.placeholder}
              value={query.legend ?? ''}
              suggestions={LEGEND_SUGGESTIONS}
              onDraft={draftOf('legend')}
              onCommit={(legend) => change({ legend })}
            />
          </EditorField>
          <EditorField htmlFor={id('timezone')} label={text.timezone.label} help={text.timezone.help} width={22}>
            <Combobox
              id={id('timezone')}
              data-testid={selectors.queryEditor.timezone}
              isClearable
              placeholder={text.timezone.placeholder}
              options={timezones()}
              value={query.timezone ?? null}
              onChange={(option) => change({ timezone: option?.value })}
            />
          </EditorField>
          {windows && (
            <EditorField htmlFor={id('live')} label={text.live.label} help={text.live.help} width={8}>
              <div className={styles.switch}>
                <Switch
                  id={id('live')}
                  data-testid={selectors.queryEditor.live}
                  value={query.live ?? false}
                  onChange={(event) => change({ live: event.currentTarget.checked })}
                />
              </div>
            </EditorField>
          )}
        </EditorRow>
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
const groupByOptions = (withIds: boolean) => labels.groupBy.filter(({ value }) => withIds || !value.includes('id'));
const shownGroupBy = (query: UserpulseQuery, withIds: boolean) =>
  withIds ? groupByKey(query.groupBy) : (query.groupBy ?? LABELS).includes('type') ? 'type' : '';

const stripUndefined = (change: Change): Partial<UserpulseQuery> =>
  Object.fromEntries(Object.entries(change).filter((entry: [string, unknown]) => entry[1] !== undefined));

const getStyles = (theme: GrafanaTheme2) => ({
  editor: css({ display: 'flex', flexDirection: 'column', gap: theme.spacing(1.5), containerType: 'inline-size' }),
  switch: css({ display: 'flex', alignItems: 'center', height: theme.spacing(theme.components.height.md) }),
});
