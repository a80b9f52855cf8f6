import { quoted, type Problem } from './problem.ts';
import type { PrefixBy } from './prefix.ts';

/** How ids are written, and how InfluxDB stores them. */
export interface IdFormatRow {
  /** The field type of its points. A Flux comparison with a literal of another type finds nothing, without an error. */
  readonly stored: 'int64' | 'string';
  /** Follows "an id is". */
  readonly what: string;
  readonly example: string;
  /** What fields hold where an event has no such id, and archived events where one has been erased. No id of any format is one of these. */
  readonly absent: '0' | '-';
  /** The prefix schemes that suit it, and the longest prefix of each: more would be too many series. */
  readonly prefixes: Readonly<Partial<Record<PrefixBy, number>>>;
  /** Why a text is no id of the format, and what to do. */
  readonly problem: (id: string, noun: string) => string | undefined;
}

export const MAX_INT64 = '9223372036854775807';
const INT64 = /^[1-9][0-9]{0,18}$/;

/** Of equal length, digits compare as numbers do. */
export const isInt64Id = (id: string): boolean => INT64.test(id) && (id.length < MAX_INT64.length || id <= MAX_INT64);

function int64Problem(id: string, noun: string): string | undefined {
  if (!/^\d+$/.test(id)) return `${capital(noun)} IDs are whole numbers such as 88.`;
  if (id.startsWith('0')) return 'Write it without leading zeros, and above 0.';
  return isInt64Id(id) ? undefined : `It is too large: ${noun} IDs end at ${MAX_INT64}.`;
}

const OBJECT_ID = /^[0-9a-f]{24}$/;

function objectIdProblem(id: string, noun: string): string | undefined {
  if (OBJECT_ID.test(id)) return undefined;
  if (/^[0-9a-fA-F]{24}$/.test(id)) return `Write ${noun} IDs in lower case.`;
  return /^[0-9a-f]+$/.test(id)
    ? `It has ${id.length} characters: ${noun} IDs have 24 of 0–9 and a–f.`
    : `${capital(noun)} IDs have 24 characters of 0–9 and a–f.`;
}

/** Characters of a text id: what UUIDs, ULIDs, DIDs, e-mail addresses and paths need, and nothing that separates ids or stands for a variable. */
export const TEXT_ID_CHARACTERS = 'a-z A-Z 0-9 - . _ ~ : / @ + = |';
export const TEXT_ID_LENGTH = 128;
const TEXT_ID = /^[A-Za-z0-9._~:/@+=|-]{1,128}$/;

/** What programs write where they have no id. Somebody who is called so cannot be told from nobody. */
export const NO_TEXT_IDS: readonly string[] = ['-', '0', 'null', 'undefined', 'NaN', 'None', 'nil'];

function textProblem(id: string, noun: string): string | undefined {
  if (TEXT_ID.test(id))
    return NO_TEXT_IDS.includes(id)
      ? `It stands for no ${noun}; these are no IDs: ${NO_TEXT_IDS.join(', ')}.`
      : undefined;
  return id.length > TEXT_ID_LENGTH
    ? `It has ${id.length} characters: ${noun} IDs have at most ${TEXT_ID_LENGTH}.`
    : `${capital(noun)} IDs have 1 to ${TEXT_ID_LENGTH} characters of ${TEXT_ID_CHARACTERS}.`;
}

const capital = (noun: string): string => noun.charAt(0).toUpperCase() + noun.slice(1);

/** Every format. Ids of all of them are ASCII, and text wherever JavaScript holds them: int64 exceeds 2^53. None is normalised. */
export const ID_FORMATS = {
  int64: {
    stored: 'int64',
    what: `a whole number from 1 to ${MAX_INT64}`,
    example: '123456',
    absent: '0',
    prefixes: { first: 6, last: 6, hash: 5 },
    problem: int64Problem,
  },
  objectid: {
    stored: 'string',
    what: '24 lowercase hex characters',
    example: '5f2c9b7a1d4e8a0012ab34cd',
    absent: '-',
    prefixes: { first: 8, last: 8, hash: 5 },
    problem: objectIdProblem,
  },
  text: {
    stored: 'string',
    what: `1 to ${TEXT_ID_LENGTH} characters of ${TEXT_ID_CHARACTERS}`,
    example: '9b2f6c1e-4d0a-4f5e-8a37-2f1c9d7e6b10',
    absent: '-',
    // Texts begin and end as they like: any number of them with one character, or no two with the same eight.
    prefixes: { hash: 5 },
    problem: textProblem,
  },
} as const satisfies Record<string, IdFormatRow>;

export type IdFormat = keyof typeof ID_FORMATS;
export const ID_FORMAT_NAMES = Object.keys(ID_FORMATS) as readonly IdFormat[];

/** Whether a text stands where there is no id, as `absent` of any format does. */
export const isAbsentId = (text: string): boolean => text === '0' || text === '-';

/** One kind of id: whose it is, and which settings are about it. */
export interface IdKindRow {
  readonly noun: string;
  readonly plural: string;
  /** The setting of its format. */
  readonly setting: string;
  /** Those it may have, the default first. */
  readonly formats: readonly [IdFormat, ...IdFormat[]];
  /** The setting that says what of it is the prefix tag. */
  readonly prefixSetting: string;
  /** Its default for the first format; for the others it is {@link HASH_PREFIX}. */
  readonly defaultPrefix: string;
}

const HASH_PREFIX = 'hash:3';

/** Every kind of id. */
export const ID_KINDS = {
  user: {
    noun: 'user',
    plural: 'users',
    setting: 'USERPULSE_USER_ID',
    formats: ['int64', 'text'],
    prefixSetting: 'USERPULSE_USER_PREFIX',
    defaultPrefix: 'first:4',
  },
  share: {
    noun: 'share',
    plural: 'shares',
    setting: 'USERPULSE_SHARE_ID',
    formats: ['objectid', 'text', 'int64'],
    prefixSetting: 'USERPULSE_SHARE_PREFIX',
    defaultPrefix: 'first:6',
  },
} as const satisfies Record<string, IdKindRow>;

export type IdKind = keyof typeof ID_KINDS;
export const ID_KIND_NAMES = Object.keys(ID_KINDS) as readonly IdKind[];

/** A value for every kind. */
export const byKind = <T>(valueOf: (kind: IdKind) => T): Record<IdKind, T> =>
  Object.fromEntries(ID_KIND_NAMES.map((kind) => [kind, valueOf(kind)])) as Record<IdKind, T>;

/** The format of each kind of id in an installation. */
export type IdFormats = Readonly<Record<IdKind, IdFormat>>;
export const DEFAULT_ID_FORMATS: IdFormats = byKind((kind) => ID_KINDS[kind].formats[0]);

/** The prefix scheme of a kind of id where no setting says another. */
export const defaultPrefixOf = (kind: IdKind, format: IdFormat): string =>
  format === ID_KINDS[kind].formats[0] ? ID_KINDS[kind].defaultPrefix : HASH_PREFIX;

export const idFormatOf = (kind: IdKind, formats: IdFormats): IdFormatRow => ID_FORMATS[formats[kind]];

/**
 * Why a text is no id.
 * @param formats undefined where they are not known yet: then any of the kind's formats will do
 */
export function idFormatProblem(kind: IdKind, id: string, formats: IdFormats | undefined): Problem | undefined {
  const { noun, formats: possible } = ID_KINDS[kind];
  const problems = (formats === undefined ? possible : [formats[kind]]).map((format) =>
    ID_FORMATS[format].problem(id, noun),
  );
  const [hint] = problems;
  return hint === undefined || problems.includes(undefined)
    ? undefined
    : { message: `${quoted(id)} is not a valid ${noun} ID.`, hint };
}

/** When a share was created: the first 8 hex characters of an ObjectId are its second. Undefined for what is no ObjectId. */
export function shareCreated(id: string): Date | undefined {
  return OBJECT_ID.test(id) ? new Date(Number.parseInt(id.slice(0, 8), 16) * 1000) : undefined;
}
