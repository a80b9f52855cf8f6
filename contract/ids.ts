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
    // Length is bounded before BigInt sees it.
    problem: (id) =>
      /^[1-9][0-9]{0,18}$/.test(id) && BigInt(id) <= MAX_USER_ID
        ? undefined
        : {
            message: `${quoted(id)} is not a valid user ID.`,
            hint: 'A user ID is a whole number from 1 to 9223372036854775807, without leading zeros, for example "123456".',
          },
  },
  share: {
    stored: 'string',
    what: '24 lowercase hex characters',
    example: '5f2c9b7a1d4e8a0012ab34cd',
    noun: 'share',
    plural: 'shares',
    prefixSetting: 'USERPULSE_SHARE_PREFIX',
    problem: (id) =>
      /^[0-9a-f]{24}$/.test(id)
        ? undefined
        : {
            message: `${quoted(id)} is not a valid share ID.`,
            hint: 'A share ID is 24 lowercase hex characters, for example "5f2c9b7a1d4e8a0012ab34cd".',
          },
  },
} as const satisfies Record<string, IdKindRow>;

export type IdKind = keyof typeof ID_KINDS;
export const ID_KIND_NAMES = Object.keys(ID_KINDS) as readonly IdKind[];
