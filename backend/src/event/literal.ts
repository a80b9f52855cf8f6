/**
 * The exact text of a number in JSON, which JSON.parse does not keep: ids may exceed 2^53, and `1e3` or `1.0` are no ids though they are
 * equal to some.
 */

/** A member's name with what it is found by: itself and the quote behind it. Beginning with a letter it is found faster, because there are more quotes. */
export interface MemberName {
  readonly name: string;
  readonly end: string;
}

export const memberName = (name: string): MemberName => ({ name, end: JSON.stringify(name).slice(1) });

/**
 * The literal of a member of the top-level object. Of several members with one name the last counts, as in JSON.parse.
 * @param text JSON that JSON.parse has accepted as an object that has this member, with a number as its value
 * @param unique whether no name occurs twice in an object
 */
export function numberLiteral(text: string, member: MemberName, unique: boolean): string {
  const at = text.indexOf(member.end);
  const afterName = at + member.end.length;
  // Before the first backslash every quote delimits a string, and before the second brace nothing is nested: a text in quotes there that a colon
  // follows is a name of the top-level object. Two searches for one character are far cheaper than another one for the name.
  const isTop =
    unique &&
    at !== -1 &&
    text.charCodeAt(at - 1) === 0x22 &&
    text.charCodeAt(afterName) === 0x3a &&
    isBeyond(text.indexOf('\\'), at) &&
    isBeyond(text.indexOf('{', text.indexOf('{') + 1), at);
  return literalAt(text, isTop ? afterName : endOfLastName(text, member.name));
}

const isBeyond = (found: number, at: number): boolean => found === -1 || found > at;

function literalAt(text: string, afterName: number): string {
  let start = afterName;
  while (isSpaceOrColon(text.charCodeAt(start))) start++;
  let end = start;
  while (isNumberPart(text.charCodeAt(end))) end++;
  return text.slice(start, end);
}

const isSpaceOrColon = (unit: number): boolean =>
  unit === 0x20 || unit === 0x3a || unit === 0x0a || unit === 0x0d || unit === 0x09;

/** Digits, `-`, `+`, `.`, `e`, `E` */
const isNumberPart = (unit: number): boolean =>
  (unit >= 0x30 && unit <= 0x39) || unit === 0x2d || unit === 0x2b || unit === 0x2e || (unit | 0x20) === 0x65;

/** Index after the closing quote of the last top-level member name that reads `name`; escapes in names are decoded. */
function endOfLastName(text: string, name: string): number {
  let depth = 0;
  let nameExpected = false;
  let found = -1;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const start = at;
        for (at++; text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++;
        if (depth === 1 && nameExpected && JSON.parse(text.slice(start, at + 1)) === name) found = at + 1;
        break;
      }
      case 0x7b:
      case 0x5b:
        depth++;
        nameExpected = depth === 1;
        break;
      case 0x7d:
      case 0x5d:
        depth--;
        break;
      case 0x2c:
        if (depth === 1) nameExpected = true;
        break;
      case 0x3a:
        if (depth === 1) nameExpected = false;
        break;
    }
  }
  return found;
}
