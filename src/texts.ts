import { ID_FORMATS, type IdFormat, type IdKind } from '../contract/ids.ts';
import { MAX_TOP } from '../contract/limits.ts';
import type { AnnotationKind, Label, QueryFieldName, VariableList } from '../contract/query.ts';

/** Fields of a query that the query editor has a control for; that of ids depends on their kind. */
export type EditedField = Exclude<QueryFieldName, 'version' | 'annotation' | 'filters'>;

interface FieldText {
  readonly label: string;
  readonly help: string;
  readonly placeholder?: string;
}

/** Of ids, whose format the backend decides. */
interface IdsText {
  readonly label: string;
  readonly help: (format: IdFormat) => string;
  readonly placeholder: (format: IdFormat) => string;
}

/** All texts of the editors, so that one concept is called the same everywhere. */
export const texts = {
  errorBoundary: {
    title: 'This editor stopped working',
    body: 'The saved query is unchanged. Reason:',
    retry: 'Try again',
  },
  query: {
    preset: { label: 'Question', help: 'Whose interactions are counted.' },
    types: {
      label: 'Types',
      placeholder: 'All types',
      help: 'Only these interaction types are counted. None chosen means all. Variables are allowed.',
    },
    every: {
      label: 'Interval',
      help: 'Length of the windows that are counted: auto fits the panel; otherwise a Flux duration such as 10m, 1h, 1d, 1w, 1mo.',
    },
    calc: {
      label: 'Calculation',
      help: 'What is shown for each window. Unique people and reach count different people: someone who likes twice counts once.',
    },
    groupBy: { label: 'Group by', help: 'One series for each of these; the rest is summed.' },
    compareTo: {
      label: 'Compare with',
      placeholder: 'Nothing',
      help: 'Adds the same series that much earlier, moved onto this time range.',
    },
    incomplete: {
      label: 'Incomplete windows',
      placeholder: 'Default',
      help: 'Windows that the time range cuts, or that still run. By default they are hidden for rates and marked otherwise. Alert rules never see them.',
    },
    legend: {
      label: 'Legend',
      placeholder: 'Automatic',
      help: 'Name of each series. {{id}}, {{type}} and {{compare}} are replaced; of two users also {{to}}, the one to whom it was made.',
    },
    timezone: {
      label: 'Time zone',
      placeholder: 'Dashboard’s',
      help: 'Where days, weeks and months begin. Alerts and public dashboards have no dashboard zone: they use UTC unless one is chosen.',
    },
    live: {
      label: 'Live',
      help: 'New windows arrive as they happen, without a refresh. Needs a time range that ends now.',
    },
    of: {
      label: 'Ranking',
      help: 'Who is ranked, and by what; of "Who", what the user or share is whose people are listed.',
    },
    direction: { label: 'Direction', help: 'Only what the first user made to the second, or both ways.' },
    n: { label: 'How many', help: `Number of rows, 1 to ${MAX_TOP}.` },
  } satisfies Record<Exclude<EditedField, 'ids'>, FieldText>,
  ids: {
    user: {
      label: 'Users',
      placeholder: (format) => (format === 'int64' ? 'User ids, e.g. 88, or $user' : 'User ids, or $user'),
      help: (format) =>
        `User ids${format === 'int64' ? '' : ` (${ID_FORMATS[format].what})`} or variables, separated by comma, space or Enter. Each id is a series of its own unless "Group by" sums them.`,
    },
    share: {
      label: 'Shares',
      placeholder: () => 'Share ids, or $share',
      help: (format) => `Share ids (${ID_FORMATS[format].what}) or variables, separated by comma, space or Enter.`,
    },
  } satisfies Record<IdKind, IdsText>,
  invalidCount: `Enter a whole number from 1 to ${MAX_TOP}.`,
  refused: {
    title: 'The backend refuses this query',
    remove: 'Remove what is refused',
  },
  groupBy: [
    { value: 'id,type', label: 'Id and type' },
    { value: 'type', label: 'Type' },
    { value: 'id', label: 'Id' },
    { value: '', label: 'Nothing (one sum)' },
  ] as readonly { readonly value: string; readonly label: string }[],
  idsInput: {
    remove: (id: string) => `Remove ${id}`,
    added: (ids: string) => `${ids} added`,
    removed: (id: string) => `${id} removed`,
    variables: 'Variables',
    top: 'Most active in this time range',
    interactions: (n: number) => `${n.toLocaleString('en')} interactions`,
  },
  options: {
    title: 'Options',
    none: 'Comparison, legend, time zone, incomplete windows, live',
    noneOfTotal: 'Comparison, legend, time zone',
    on: 'on',
  },
  flux: {
    title: 'Flux',
    show: 'Show the Flux this query runs',
    copy: 'Copy',
    loading: 'Translating…',
    incomplete: 'Complete the query above to see its Flux.',
    text: 'Flux of this query',
  },
  config: {
    connection: {
      title: 'Connection',
      description: 'Where the Userpulse backend answers, as seen from the Grafana server.',
    },
    url: {
      label: 'URL',
      placeholder: 'http://userpulse:8088',
      description: 'Address of "userpulse serve" (USERPULSE_LISTEN).',
      missing: 'Enter the backend’s address, for example http://userpulse:8088.',
      invalid: 'Enter an address that begins with http:// or https://.',
    },
    token: {
      label: 'API token',
      placeholder: 'USERPULSE_API_TOKEN',
      description: 'The backend’s USERPULSE_API_TOKEN. Empty only for a backend that listens on loopback.',
    },
    timeout: {
      label: 'Timeout (seconds)',
      description: 'How long one question may take, 1 to 600.',
      invalid: 'Enter a whole number from 1 to 600.',
    },
    tls: { title: 'TLS', description: 'Only for an https:// address.' },
    skipVerify: { label: 'Skip certificate check', description: 'Accepts any certificate. For tests only.' },
    serverName: {
      label: 'Server name',
      description: 'Name in the backend’s certificate, where it differs from the address.',
    },
    withCa: { label: 'Own CA certificate', description: 'For a certificate that no public authority signed.' },
    ca: { label: 'CA certificate' },
    withClient: { label: 'Client certificate', description: 'For a backend (or proxy) that asks for one.' },
    clientCert: { label: 'Client certificate (PEM)' },
    clientKey: { label: 'Client key (PEM)' },
    access: {
      title: 'Identity and headers',
      description:
        'What calls of the backend carry besides the API token. Live streams carry the headers, and no user.',
    },
    sendUser: {
      label: 'Send the user’s name',
      description:
        'The login of whoever looks at a panel, as X-Grafana-User, for the backend’s log and its limit per user. Alert rules have none, and a live stream is shared by all who watch it.',
    },
    basicAuth: {
      label: 'Basic authentication',
      description:
        'For a proxy before a backend without an API token. With a token it is not sent: both use one header.',
    },
    basicAuthUser: { label: 'User' },
    basicAuthPassword: { label: 'Password' },
    display: { title: 'Dashboards' },
    links: {
      label: 'Link series to the bundled dashboards',
      description:
        'A click on a series leads to the dashboard of its user or share. Import the dashboards on the tab above first.',
    },
    configured: 'configured',
    readOnly: 'This data source was provisioned from a file: change it there.',
  },
  variable: {
    list: {
      label: 'List',
      help: 'What the variable offers.',
      options: {
        types: { label: 'Interaction types', description: 'Types that occur in the time range' },
        top: { label: 'Top users or shares', description: 'Ids with the most interactions in the time range' },
        who: { label: 'People around one', description: 'Users who had most to do with one user or share' },
        prefixes: { label: 'Prefixes', description: 'Prefix tags of the leading ids, for your own Flux' },
      } satisfies Record<VariableList, { label: string; description: string }>,
    },
    id: {
      label: 'User or share',
      placeholder: 'One id, or $user',
      help: 'The user or share whose people are listed: an id, or a variable that stands for one.',
    },
  },
  annotation: {
    kind: {
      label: 'Mark',
      help: 'What the annotation shows.',
      options: {
        threshold: { label: 'Threshold passed', description: 'Times in which a series is at or above a threshold' },
        created: { label: 'Share created', description: 'When a share was created, read from its id' },
      } satisfies Record<AnnotationKind, { label: string; description: string }>,
    },
    threshold: {
      label: 'At least',
      help: 'Threshold in the unit of the calculation: interactions per window, or per second.',
      invalid: 'Enter a number above 0.',
    },
  },
  help: {
    title: 'Userpulse cheat sheet',
    presets: [
      {
        term: 'Made, Received',
        text: 'User ids, several separated by commas, or variables such as $user. They are whole numbers, unless the backend is set to another format.',
      },
      {
        term: 'Share',
        text: 'Share ids: 24 characters of 0–9 and a–f, unless the backend is set to another format. Their creation time is in them: point at one to see it.',
      },
      {
        term: 'Two users',
        text: 'What the first user made to the second, or both ways. Give two ids, the one who interacts first.',
      },
      {
        term: 'Who',
        text: 'A table of the people who interacted most with a user or share, or with whom a user interacted most.',
      },
      {
        term: 'Everyone',
        text: 'All interactions, fast over any range. Top: a table of the ids with the most.',
      },
    ],
    rest: [
      {
        term: 'Windows',
        text: 'auto, or 10s, 5m, 1h, 1d, 1w, 1mo, 1y. Days begin at midnight of the time zone, weeks on Monday. A window without events is 0.',
      },
      {
        term: 'People',
        text: 'Unique people: different people in each window; of everyone with an interval of 1d, 1w or 1mo, the daily, weekly or monthly active users. Reach: different people in the whole range, which is not the sum of the windows.',
      },
      {
        term: 'Variables',
        text: 'In ids, types, window and comparison. Several values are a set. $__interval and $__range work in durations.',
      },
      { term: 'Filters', text: 'Ad-hoc filters on type apply to every query: = != =~ !~ and "one of".' },
      {
        term: 'Legend',
        text: '{{id}}, {{to}}, {{type}} and {{compare}}. Empty gives "88 like" and "88 like (1w before)".',
      },
      {
        term: 'Alerts',
        text: 'They see exactly these numbers. Write ids out, since alerts have no variables, and choose a time zone where days matter.',
      },
    ],
  },
} as const;

export const groupByKey = (groupBy: readonly Label[] | undefined): string => (groupBy ?? ['id', 'type']).join(',');
