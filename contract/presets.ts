import type { IdKind } from './ids.ts';
import { RANKED_ROLES, ROLES, type BucketRole, type IdRole } from './roles.ts';

/** One question of the query editor. */
export interface PresetRow {
  /** The bucket that its windows are counted in; undefined for a table, which has no windows. */
  readonly role: BucketRole | undefined;
  /** The editor's option. */
  readonly label: string;
  /** The option's tooltip, and the text of `/v1/schema`. */
  readonly description: string;
  /** Before the ids in a one-line summary: `Made by 88`. */
  readonly summary: string;
  /** For presets with ids: the option of a ranking and of `who`, the title of a link to an id's dashboard, and that dashboard's title and subject. */
  readonly ids?: {
    readonly ranking: string;
    readonly people: string;
    readonly link: (id: string) => string;
    readonly title: string;
    readonly counted: string;
  };
}

/**
 * Every preset, in the editor's order. What a new one needs:
 *
 * 1. its row here; with a bucket of its own also a row in roles.ts and its points in backend/src/schema/points.ts,
 * 2. with ids of a new kind a row in ids.ts and the texts of its field in src/texts.ts,
 * 3. with ids: `includes` of src/plugin.json for its dashboard, which provisioning/typescript/generate.ts writes.
 *
 * HTTP addresses and their documentation, Flux, metric labels, editor, variables, links and dashboards follow from the tables. What a preset with
 * another form of question needs besides, the compiler and the tests of the tables do not know: see "Where to change what" in
 * docs/architecture.md.
 */
export const PRESETS = {
  made: {
    role: 'made',
    label: 'Made by user',
    description: 'Interactions that users make',
    summary: 'Made by',
    ids: {
      ranking: 'Users, by interactions made',
      people: 'With whom a user interacted',
      link: (id) => `What user ${id} did`,
      title: 'Made by a user',
      counted: 'interactions that the selected users made',
    },
  },
  received: {
    role: 'received',
    label: 'Received by user',
    description: 'Interactions that users receive from others',
    summary: 'Received by',
    ids: {
      ranking: 'Users, by interactions received',
      people: 'Who interacted with a user',
      link: (id) => `What user ${id} received`,
      title: 'Received by a user',
      counted: 'interactions that the selected users received',
    },
  },
  share: {
    role: 'share',
    label: 'Received by share',
    description: 'Interactions that shares (posts) receive',
    summary: 'Received by share',
    ids: {
      ranking: 'Shares, by interactions received',
      people: 'Who interacted with a share',
      link: (id) => `What share ${id} received`,
      title: 'Received by a share',
      counted: 'interactions that the selected shares received',
    },
  },
  everyone: {
    role: 'total',
    label: 'Everyone',
    description: 'All interactions, whoever took part',
    summary: 'Everyone',
  },
  pair: {
    role: 'made',
    label: 'Two users',
    description: 'Interactions from one user to another, or between them',
    summary: 'From',
  },
  who: {
    role: undefined,
    label: 'Who',
    description: 'The users who interacted most with one user or share, or with whom one user interacted most',
    summary: 'Who',
  },
  top: {
    role: undefined,
    label: 'Top',
    description: 'The users or shares with the most interactions',
    summary: 'Top',
  },
} as const satisfies Record<string, PresetRow>;

export type Preset = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as readonly Preset[];

/** Presets that give a table of ids and their counts, instead of series of windows. */
export const TABLE_PRESETS = ['who', 'top'] as const satisfies readonly Preset[];
export type TablePreset = (typeof TABLE_PRESETS)[number];
export const isTablePreset = (preset: Preset): preset is TablePreset =>
  (TABLE_PRESETS as readonly Preset[]).includes(preset);

/** Presets that give series of windows. */
export type SeriesPreset = Exclude<Preset, TablePreset>;
export const isSeriesPreset = (preset: Preset): preset is SeriesPreset => !isTablePreset(preset);
export const SERIES_PRESETS = PRESET_NAMES.filter(isSeriesPreset);

/** Presets about any number of ids. Each is named as the role whose bucket it reads. */
export type IdPreset = { [P in Preset]: (typeof PRESETS)[P] extends { ids: object } ? P : never }[Preset] & IdRole;
export const ID_PRESETS = PRESET_NAMES.filter((preset): preset is IdPreset => 'ids' in PRESETS[preset]);

/** Presets whose ids can be ranked by `top`. */
export type RankedPreset = {
  [P in IdPreset]: (typeof ROLES)[P]['totalField'] extends string ? P : never;
}[IdPreset];
export const isRanked = (preset: IdPreset): preset is RankedPreset =>
  (RANKED_ROLES as readonly BucketRole[]).includes(preset);
export const RANKED_PRESETS = ID_PRESETS.filter(isRanked);

export const isPreset = (text: string): text is Preset => (PRESET_NAMES as readonly string[]).includes(text);
export const isIdPreset = (preset: Preset): preset is IdPreset => 'ids' in PRESETS[preset];

export const roleOf = (preset: SeriesPreset): BucketRole => PRESETS[preset].role;
export const idKindOf = (preset: IdPreset): IdKind => ROLES[preset].ids;

/** The preset that is about the ids a query names: for suggestions, links, and their kind. @param of as in the query, for `who` */
export function subjectOf(preset: Preset, of: RankedPreset): IdPreset | undefined {
  switch (preset) {
    case 'everyone':
    case 'top':
      return undefined;
    case 'pair':
      return 'made';
    case 'who':
      return of;
    default:
      return preset;
  }
}

/** What ids a query names. */
export interface AskedIds {
  readonly kind: IdKind;
  /** How many, where it must be exactly so many; else one or more. */
  readonly exactly: 1 | 2 | undefined;
}

/** @param of as in the query, for `who` @returns undefined where the preset takes no ids */
export function askedIds(preset: Preset, of: RankedPreset): AskedIds | undefined {
  const subject = subjectOf(preset, of);
  if (subject === undefined) return undefined;
  return { kind: idKindOf(subject), exactly: preset === 'pair' ? 2 : preset === 'who' ? 1 : undefined };
}

/** Presets that take ids, for texts. */
export const PRESETS_WITH_IDS = PRESET_NAMES.filter((preset) => askedIds(preset, 'made') !== undefined);

/** The presets about the same kind of ids, this one first: an id of one can be asked of them all. */
export const sameIds = (preset: IdPreset): readonly IdPreset[] => [
  preset,
  ...ID_PRESETS.filter((other) => other !== preset && idKindOf(other) === idKindOf(preset)),
];

/**
 * The bundled dashboard of each preset with ids. Its `uid` is fixed, and its variable is named as the kind of its ids: `user` or `share`, so that a
 * link from one to another never hands on the wrong kind.
 */
export const dashboardUid = (preset: IdPreset): string => `userpulse-${preset}`;
