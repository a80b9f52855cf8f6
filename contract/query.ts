import { readFields, type Field, type FieldTable, type Reading, type ValuesOf } from './fields.ts';
import { MAX_IDS, MAX_IDS_APART, MAX_TOP } from './limits.ts';
import { askedIds, ID_PRESETS, PRESET_NAMES, RANKED_PRESETS } from './presets.ts';
import { DEFAULT_OF, idsProblem } from './rules.ts';

export interface CalculationRow {
  readonly label: string;
  readonly summary: string;
  readonly description: string;
  /** What is counted: interactions, or the different people who took part in them. */
  readonly counts: 'interactions' | 'people';
  /** Whether the whole range is one window, so that the answer is one number a series. */
  readonly single: boolean;
}

export const CALCULATIONS = {
  count: {
    label: 'Count',
    summary: 'count',
    description: 'Interactions in each window',
    counts: 'interactions',
    single: false,
  },
  rate: {
    label: 'Rate',
    summary: 'rate',
    description: 'Interactions per second, averaged over each window',
    counts: 'interactions',
    single: false,
  },
  cumulative: {
    label: 'Running sum',
    summary: 'running sum',
    description: 'Added up from the start of the time range',
    counts: 'interactions',
    single: false,
  },
  total: {
    label: 'Total',
    summary: 'total',
    description: 'One number for the whole time range',
    counts: 'interactions',
    single: true,
  },
  unique: {
    label: 'Unique people',
    summary: 'unique people',
    description:
      'Different people in each window: who interacted with the user or share, or whom the user interacted with; of everyone, those who were active',
    counts: 'people',
    single: false,
  },
  reach: {
    label: 'Reach',
    summary: 'reach',
    description: 'Different people in the whole time range, as one number; not the sum of the windows',
    counts: 'people',
    single: true,
  },
} as const satisfies Record<string, CalculationRow>;
export type Calculation = keyof typeof CALCULATIONS;
export const CALCULATION_NAMES = Object.keys(CALCULATIONS) as readonly Calculation[];
export const isSingle = (calc: Calculation): boolean => CALCULATIONS[calc].single;
export const countsPeople = (calc: Calculation): boolean => CALCULATIONS[calc].counts === 'people';

/** Of two users, whose interactions are counted. */
export const DIRECTIONS = {
  to: { label: 'First to second', description: 'What the first user made to the second' },
  both: { label: 'Both ways', description: 'What each of them made to the other' },
} as const;
export type Direction = keyof typeof DIRECTIONS;
export const DIRECTION_NAMES = Object.keys(DIRECTIONS) as readonly Direction[];

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
    description: `For ${idPresets}: 1 to ${MAX_IDS} ids; at most ${MAX_IDS_APART} where \`groupBy\` has \`id\`. For pair: two users. For who: one id. Absent or empty elsewhere. Write ids as strings: a JSON number beyond 2^53 - 1 loses digits and is refused.`,
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
    description: 'Window length: a Flux duration such as 10m or 1d, or auto (the default). Ignored by who and top.',
  },
  calc: {
    form: { kind: 'choice', of: CALCULATION_NAMES },
    fallback: 'count',
    streams: true,
    description:
      'count (the default), rate (count per second), cumulative (running sum from `from`), total (one number for the range), unique (different people in each window) or reach (different people in the range, one number). Not unique or reach for pair. Ignored by who and top.',
  },
  groupBy: {
    form: { kind: 'choices', of: LABELS },
    streams: true,
    description: 'Any of id and type; default both. Empty: one summed series. Ignored by who and top.',
  },
  compareTo: {
    form: DURATION,
    streams: false,
    description:
      'A Flux duration: the same series that much earlier is added, moved onto today’s times. Ignored by who and top.',
  },
  incomplete: {
    form: { kind: 'choice', of: INCOMPLETE_NAMES },
    streams: false,
    description:
      'Windows that the range cuts or that still run: hide, mark or show; default hide for rate, else mark. The backend leaves them out for hide only. Ignored by total, reach, who and top.',
  },
  of: {
    form: { kind: 'choice', of: RANKED_PRESETS },
    streams: false,
    description: `For top and who: ${RANKED_PRESETS.join(', ')}; default received. Of who it says what the id is: who made what it received, or to whom it made something.`,
  },
  n: {
    form: { kind: 'whole', min: 1, max: MAX_TOP },
    streams: false,
    description: `For top and who: how many, 1 to ${MAX_TOP}; default 10.`,
  },
  direction: {
    form: { kind: 'choice', of: DIRECTION_NAMES },
    streams: true,
    description:
      'For pair: to (what the first id made to the second, the default) or both (also the other way; a series each where `groupBy` has `id`, else added up).',
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
    description:
      'Name of each series; {{id}}, {{to}}, {{type}}, {{compare}} and {{preset}} are replaced by the plugin.',
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

/** Defaults of `top` and `who`, whose fields say nothing elsewhere. */
export const DEFAULT_TOP = { of: DEFAULT_OF, n: 10 } as const;

/** Reads a query, however it was made: by the editor, by hand in a provisioned file, or by a program. Browser and backend read by it alike. */
export function readQuery(given: unknown): Reading<typeof QUERY_FIELDS> {
  const { values, problems } = readFields(QUERY_FIELDS, given, GRAFANA_FIELDS, 'query');
  const takesIds = askedIds(values.preset, values.of ?? DEFAULT_TOP.of) !== undefined;
  const stray = problems.has('preset') || takesIds ? undefined : idsProblem(values, undefined);
  return stray === undefined
    ? { values, problems }
    : { values: { ...values, ids: [] }, problems: new Map([...problems, ['ids', stray]]) };
}

/** What a dashboard variable may list. */
export const VARIABLE_LISTS = ['types', 'top', 'who', 'prefixes'] as const;
export type VariableList = (typeof VARIABLE_LISTS)[number];

/** The query of a dashboard variable. */
export const VARIABLE_FIELDS = {
  version: QUERY_FIELDS.version,
  list: { form: { kind: 'choice', of: VARIABLE_LISTS }, fallback: 'types', description: 'What is listed.' },
  of: { ...QUERY_FIELDS.of, fallback: DEFAULT_TOP.of },
  id: {
    form: { kind: 'text', maxLength: 200 },
    description: 'For who: the user or share whose people are listed; a variable stands for one.',
  },
  n: { ...QUERY_FIELDS.n, fallback: 20 },
  types: QUERY_FIELDS.types,
} as const satisfies FieldTable;
export type VariableFields = ValuesOf<typeof VARIABLE_FIELDS>;

export const readVariable = (given: unknown): Reading<typeof VARIABLE_FIELDS> =>
  readFields(VARIABLE_FIELDS, given, GRAFANA_FIELDS, 'variable');
