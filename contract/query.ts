import { readFields, type Field, type FieldTable, type Reading, type ValuesOf } from './fields.ts';
import { MAX_IDS, MAX_IDS_APART, MAX_TOP } from './limits.ts';
import { ID_PRESETS, isIdPreset, PRESET_NAMES, RANKED_PRESETS } from './presets.ts';
import { idsProblem } from './rules.ts';

export const CALCULATIONS = {
  count: { label: 'Count', summary: 'count', description: 'Interactions in each window' },
  rate: { label: 'Rate', summary: 'rate', description: 'Interactions per second, averaged over each window' },
  cumulative: {
    label: 'Running sum',
    summary: 'running sum',
    description: 'Added up from the start of the time range',
  },
  total: { label: 'Total', summary: 'total', description: 'One number for the whole time range' },
} as const;
export type Calculation = keyof typeof CALCULATIONS;
export const CALCULATION_NAMES = Object.keys(CALCULATIONS) as readonly Calculation[];

/**
 * What becomes of windows that are incomplete: cut by the range, or still running. `mark` shows them, and panels say which they are.
 * Rates of a moment's worth of events jump, so that they are hidden unless asked for.
 */
export const INCOMPLETE_WINDOWS = {
  hide: { label: 'Hide', description: 'Only whole windows are shown; alert rules always see these' },
  mark: { label: 'Mark', description: 'Shown, and shaded in charts over time' },
  show: { label: 'Show', description: 'Shown like any other' },
} as const;
export type IncompleteWindows = keyof typeof INCOMPLETE_WINDOWS;
export const INCOMPLETE_NAMES = Object.keys(INCOMPLETE_WINDOWS) as readonly IncompleteWindows[];
export const incompleteOf = (asked: IncompleteWindows | undefined, calc: Calculation): IncompleteWindows =>
  asked ?? (calc === 'rate' ? 'hide' : 'mark');

/** What series can be told apart by. */
export const LABELS = ['id', 'type'] as const;
export type Label = (typeof LABELS)[number];

/** Version of a saved query. 1 is the first that was released; a query without a version is read as this one. */
export const QUERY_VERSION = 1;

export const ANNOTATION_KINDS = ['threshold', 'created'] as const;
export type AnnotationKind = (typeof ANNOTATION_KINDS)[number];

/** What an annotation marks: the times in which a series passes a threshold, or when a share was created, which its id tells. */
export const ANNOTATION_FIELDS = {
  kind: { form: { kind: 'choice', of: ANNOTATION_KINDS }, fallback: 'threshold', description: 'What is marked.' },
  threshold: {
    form: { kind: 'number', above: 0 },
    fallback: 100,
    description: 'In the unit of `calc`: per window for count, per second for rate.',
  },
} as const satisfies FieldTable;
export type Annotation = ValuesOf<typeof ANNOTATION_FIELDS>;

interface QueryField extends Field {
  /** Whether it decides the windows of a live stream: it is then part of the channel's name, and goes to the gateway's stream. */
  readonly streams: boolean;
}

const idPresets = ID_PRESETS.join(', ');
const DURATION = { kind: 'text', maxLength: 32 } as const;

/** Fields that decide the numbers of an answer. */
const ASKED = {
  preset: {
    form: { kind: 'choice', of: PRESET_NAMES },
    fallback: 'everyone',
    streams: true,
    description: `One of ${PRESET_NAMES.join(', ')}; default everyone.`,
  },
  ids: {
    form: { kind: 'ids', maxLength: 200, maxItems: 1000 },
    fallback: [],
    streams: true,
    description: `For ${idPresets}: 1 to ${MAX_IDS} ids; at most ${MAX_IDS_APART} where \`groupBy\` has \`id\`. Absent or empty elsewhere. Write ids as strings: a JSON number beyond 2^53 - 1 loses digits and is refused.`,
  },
  types: {
    form: { kind: 'texts', maxLength: 200, maxItems: 1000 },
    fallback: [],
    streams: true,
    description: 'Interaction types; empty means all.',
  },
  every: {
    form: DURATION,
    fallback: 'auto',
    streams: true,
    description: 'Window length: a Flux duration such as 10m or 1d, or auto (the default). Ignored by top.',
  },
  calc: {
    form: { kind: 'choice', of: CALCULATION_NAMES },
    fallback: 'count',
    streams: false,
    description:
      'count (the default), rate (count per second), cumulative (running sum from `from`) or total (one number for the range). Ignored by top.',
  },
  groupBy: {
    form: { kind: 'choices', of: LABELS },
    streams: true,
    description: 'Any of id and type; default both. Empty: one summed series. Ignored by top.',
  },
  compareTo: {
    form: DURATION,
    streams: false,
    description:
      'A Flux duration: the same series that much earlier is added, moved onto today’s times. Ignored by top.',
  },
  incomplete: {
    form: { kind: 'choice', of: INCOMPLETE_NAMES },
    streams: false,
    description:
      'Windows that the range cuts or that still run: hide, mark or show; default hide for rate, else mark. The backend leaves them out for hide only. Ignored by total and top.',
  },
  of: {
    form: { kind: 'choice', of: RANKED_PRESETS },
    streams: false,
    description: `For top: ${RANKED_PRESETS.join(', ')}; default received.`,
  },
  n: {
    form: { kind: 'whole', min: 1, max: MAX_TOP },
    streams: false,
    description: `For top: how many, 1 to ${MAX_TOP}; default 10.`,
  },
  timezone: {
    form: { kind: 'text', maxLength: 64 },
    streams: true,
    description: 'IANA time zone in which windows are aligned; default that of the request, then UTC.',
  },
} as const satisfies Record<string, QueryField>;

/** Fields that are saved with a query and decide nothing about its numbers: plugin and gateway use them, the backend only checks their form. */
const SAVED = {
  version: {
    form: { kind: 'version', known: QUERY_VERSION },
    fallback: QUERY_VERSION,
    streams: false,
    description: 'Version that the query was saved in.',
  },
  legend: {
    form: { kind: 'text', maxLength: 1000 },
    streams: true,
    description: 'Name of each series; {{id}}, {{type}}, {{compare}} and {{preset}} are replaced by the plugin.',
  },
  live: { form: { kind: 'flag' }, streams: false, description: 'Whether a panel follows new windows.' },
  annotation: {
    form: { kind: 'object', fields: ANNOTATION_FIELDS },
    streams: false,
    description: 'What an annotation marks.',
  },
  filters: {
    form: { kind: 'filters' },
    streams: false,
    description:
      'Ad-hoc filters on their way to `types`. A dashboard applies them; anything else refuses a query that has some.',
  },
} as const satisfies Record<string, QueryField>;

/**
 * Every field of a query, as it is saved in a dashboard and as `POST /v1/query` takes it. The editor, the provisioning builder, the live channel,
 * the gateway's request and the OpenAPI document follow from this table. A new option is one row in `ASKED`; the compiler then asks for its use in
 * backend/src/query/plan.ts, its control in src/components/QueryEditor/ and its method in provisioning/typescript/query.ts.
 */
export const QUERY_FIELDS = { ...ASKED, ...SAVED } as const;

/** Fields that decide nothing about the numbers. */
export type SavedField = keyof typeof SAVED;
export type QueryFieldName = keyof typeof QUERY_FIELDS;
/** Fields of a query; those with a default are always there. */
export type QueryFields = ValuesOf<typeof QUERY_FIELDS>;

/** Fields of a live channel's query, in the order in which they are written there. */
export const STREAM_FIELDS = (Object.keys(QUERY_FIELDS) as QueryFieldName[]).filter(
  (name) => QUERY_FIELDS[name].streams,
);

/**
 * Fields that Grafana adds to a query, saved or on its way: `DataQuery` and DataSourceWithBackend of @grafana/runtime, `CommonQueryProperties` of
 * grafana-plugin-sdk-go, and what alert rules and public dashboards set.
 */
export const GRAFANA_FIELDS: ReadonlySet<string> = new Set([
  'refId',
  'hide',
  'key',
  'queryType',
  'datasource',
  'datasourceId',
  'intervalMs',
  'maxDataPoints',
  'queryCachingTTL',
  'timeRange',
  'resultAssertions',
]);

/** Defaults of `top`, whose fields say nothing elsewhere. */
export const DEFAULT_TOP = { of: 'received', n: 10 } as const;

/** Reads a query, however it was made: by the editor, by hand in a provisioned file, or by a program. Browser and backend read by it alike. */
export function readQuery(given: unknown): Reading<typeof QUERY_FIELDS> {
  const { values, problems } = readFields(QUERY_FIELDS, given, GRAFANA_FIELDS, 'query');
  const stray = problems.has('preset') || isIdPreset(values.preset) ? undefined : idsProblem(values.preset, values.ids);
  return stray === undefined
    ? { values, problems }
    : { values: { ...values, ids: [] }, problems: new Map([...problems, ['ids', stray]]) };
}

/** What a dashboard variable may list. */
export const VARIABLE_LISTS = ['types', 'top', 'prefixes'] as const;
export type VariableList = (typeof VARIABLE_LISTS)[number];

/** The query of a dashboard variable. */
export const VARIABLE_FIELDS = {
  version: QUERY_FIELDS.version,
  list: { form: { kind: 'choice', of: VARIABLE_LISTS }, fallback: 'types', description: 'What is listed.' },
  of: { ...QUERY_FIELDS.of, fallback: DEFAULT_TOP.of },
  n: { ...QUERY_FIELDS.n, fallback: 20 },
  types: QUERY_FIELDS.types,
} as const satisfies FieldTable;
export type VariableFields = ValuesOf<typeof VARIABLE_FIELDS>;

export const readVariable = (given: unknown): Reading<typeof VARIABLE_FIELDS> =>
  readFields(VARIABLE_FIELDS, given, GRAFANA_FIELDS, 'variable');
