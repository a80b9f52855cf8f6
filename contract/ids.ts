import { quoted, type Problem } from './problem.ts';

/** One kind of id: how it is written, how InfluxDB stores it, and what people are told about it. */
export interface IdKindRow {
  /** The field type of its points. A Flux comparison with a literal of another type finds nothing, without an error. */
  readonly stored: 'int64' | 'string';
  /** Follows "an id is". */
  readonly what: string;
  readonly example: string;
  readonly noun: string;
  readonly plural: string;
  /** The setting that says which of its characters are the prefix tag. */
  readonly prefixSetting: string;
  readonly problem: (id: string) => Problem | undefined;
}

const MAX_USER_ID = 2n ** 63n - 1n;

function userIdProblem(id: string): Problem | undefined {
  const message = `${quoted(id)} is not a valid user ID.`;
  if (!/^\d+$/.test(id)) return { message, hint: 'User IDs are whole numbers such as 88.' };
  if (id.startsWith('0')) return { message, hint: 'Write it without leading zeros, and above 0.' };
  // Length is bounded before BigInt sees it.
  if (id.length > 19 || BigInt(id) > MAX_USER_ID)
    return { message, hint: `It is too large: user IDs end at ${MAX_USER_ID.toString()}.` };
  return undefined;
}

function shareIdProblem(id: string): Problem | undefined {
  if (/^[0-9a-f]{24}$/.test(id)) return undefined;
  const message = `${quoted(id)} is not a valid share ID.`;
  if (/^[0-9a-fA-F]{24}$/.test(id)) return { message, hint: 'Write share IDs in lower case.' };
  if (/^[0-9a-f]+$/.test(id))
    return { message, hint: `It has ${id.length} characters: share IDs have 24 of 0–9 and a–f.` };
  return { message, hint: 'Share IDs have 24 characters of 0–9 and a–f.' };
}

/**
 * Every kind of id.
 *
 * User ids are int64 above 0, in decimal: they may exceed 2^53, so they are text wherever JavaScript holds them. Share ids are BSON ObjectIds.
 */
export const ID_KINDS = {
  user: {
    stored: 'int64',
    what: 'a whole number from 1 to 9223372036854775807',
    example: '123456',
    noun: 'user',
    plural: 'users',
    prefixSetting: 'USERPULSE_USER_PREFIX',
    problem: userIdProblem,
  },
  share: {
    stored: 'string',
    what: '24 lowercase hex characters',
    example: '5f2c9b7a1d4e8a0012ab34cd',
    noun: 'share',
    plural: 'shares',
    prefixSetting: 'USERPULSE_SHARE_PREFIX',
    problem: shareIdProblem,
  },
} as const satisfies Record<string, IdKindRow>;

export type IdKind = keyof typeof ID_KINDS;
export const ID_KIND_NAMES = Object.keys(ID_KINDS) as readonly IdKind[];

/** A value for every kind. */
export const byKind = <T>(valueOf: (kind: IdKind) => T): Record<IdKind, T> =>
  Object.fromEntries(ID_KIND_NAMES.map((kind) => [kind, valueOf(kind)])) as Record<IdKind, T>;

/** When a share was created: the first 8 hex characters of an ObjectId are its second. Undefined for what is not a share ID. */
export function shareCreated(id: string): Date | undefined {
  return shareIdProblem(id) === undefined ? new Date(Number.parseInt(id.slice(0, 8), 16) * 1000) : undefined;
}
