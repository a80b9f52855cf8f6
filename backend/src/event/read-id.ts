import {
  DEFAULT_ID_FORMATS,
  ID_FORMATS,
  ID_KINDS,
  isAbsentId,
  isInt64Id,
  MAX_INT64,
  TEXT_ID_CHARACTERS,
  TEXT_ID_LENGTH,
  type IdFormat,
  type IdKind,
} from '../../../contract/ids.ts';
import type { ArrivalRule } from './arrival-rule.ts';
import type { Rejection, RejectionCode } from './event.ts';
import { int64Hint, objectIdHint, textIdHint } from './hints.ts';
import { memberName, numberLiteral, type MemberName } from './literal.ts';
import { describe, shorten } from './shown.ts';

/** A member of an event that holds an id. */
export interface IdMember {
  readonly member: MemberName;
  readonly kind: IdKind;
  readonly code: RejectionCode;
  readonly optional: boolean;
}

export const ACTOR_ID: IdMember = {
  member: memberName('actorId'),
  kind: 'user',
  code: 'actor_id_invalid',
  optional: false,
};
export const RECEIVER_ID: IdMember = {
  member: memberName('receiverId'),
  kind: 'user',
  code: 'receiver_id_invalid',
  optional: true,
};
export const SHARE_ID: IdMember = {
  member: memberName('shareId'),
  kind: 'share',
  code: 'share_id_invalid',
  optional: true,
};

/** As much of a value as a hint looks at. */
export const SHOWN_DIGITS = 100;

/**
 * An id, by the format of its kind.
 * @param text JSON that the value is from: ids exceed 2^53, so the digits of a number are read there
 */
export function readId(value: unknown, text: string, id: IdMember, rule: ArrivalRule): string | Rejection {
  const format = (rule.ids ?? DEFAULT_ID_FORMATS)[id.kind];
  // Where "userpulse forget" has erased an id, possibly when ids had another format.
  if (rule.archived === true && typeof value === 'string' && isAbsentId(value)) return ID_FORMATS[format].absent;
  const read = READERS[format](value, text, id, rule);
  return typeof read === 'string' ? read : { code: id.code, reason: read.reason };
}

type Reader = (value: unknown, text: string, id: IdMember, rule: ArrivalRule) => string | { readonly reason: string };

const READERS: Readonly<Record<IdFormat, Reader>> = { int64: readInt64, objectid: readObjectId, text: readText };

function readInt64(value: unknown, text: string, id: IdMember, rule: ArrivalRule): ReturnType<Reader> {
  const { member, kind, optional } = id;
  const digits =
    typeof value === 'string'
      ? value
      : typeof value === 'number'
        ? numberLiteral(text, member, rule.archived !== true)
        : '';
  if (isInt64Id(digits)) return digits;
  const found = typeof value === 'number' ? shorten(digits) : describe(value);
  const hint = int64Hint(value, digits.slice(0, SHOWN_DIGITS), ID_KINDS[kind], optional);
  return {
    reason: `${member.name} is ${found}: it must be an integer from 1 to ${MAX_INT64}, written with digits only, or the same as a string.${hint}`,
  };
}

function readObjectId(value: unknown, _text: string, { member, kind, optional }: IdMember): ReturnType<Reader> {
  if (typeof value === 'string' && ID_FORMATS.objectid.problem(value, '') === undefined) return value;
  const hint = objectIdHint(value, ID_KINDS[kind], optional);
  return { reason: `${member.name} is ${describe(value)}: it must be 24 lower-case hex digits.${hint}` };
}

function readText(value: unknown, text: string, id: IdMember, rule: ArrivalRule): ReturnType<Reader> {
  const { member, kind, optional } = id;
  const { noun } = ID_KINDS[kind];
  // Archived when its format was int64, which may be a number in JSON.
  if (rule.archived === true && typeof value === 'number') {
    const digits = numberLiteral(text, member, false);
    if (isInt64Id(digits)) return digits;
  }
  if (typeof value === 'string' && ID_FORMATS.text.problem(value, noun) === undefined) return value;
  const hint = textIdHint(value, ID_KINDS[kind], optional);
  return {
    reason: `${member.name} is ${describe(value)}: it must be a string of 1 to ${TEXT_ID_LENGTH} of ${TEXT_ID_CHARACTERS}.${hint}`,
  };
}
