export interface JsonSyntaxError {
  /** The end of a sentence. */
  readonly problem: string;
  /** Whether another object begins where the first value has ended. */
  readonly follows: boolean;
}

const said = (problem: string): JsonSyntaxError => ({ problem, follows: false });

/**
 * Where a text stops being JSON (RFC 8259). JSON.parse says it too, but differently from one Node version to
 * the next and not always with a place, and a rejection must read the same whenever it is made again.
 * Called only for texts that JSON.parse refused; reads each character at most once or twice and does not recurse.
 */
export function jsonSyntaxError(text: string): JsonSyntaxError {
  /** One per open container: `}` or `]`. */
  const open: string[] = [];
  let at = 0;
  let state: State = 'value';
  for (;;) {
    while (isSpace(text.charCodeAt(at))) at++;
    if (at >= text.length) {
      return said(
        state === 'end'
          ? 'its form could not be told'
          : `it ends after ${text.length} characters, ${expected(state, open)} is missing`,
      );
    }
    const char = text.charAt(at);
    switch (state) {
      case 'value':
      case 'value or ]': {
        if (char === '{' || char === '[') {
          open.push(char === '{' ? '}' : ']');
          state = char === '{' ? 'name or }' : 'value or ]';
          at++;
        } else if (char === ']' && state === 'value or ]') {
          open.pop();
          state = open.length === 0 ? 'end' : 'next';
          at++;
        } else {
          const end = endOfScalar(text, at);
          if (end === undefined) return said(wrong(text, at, state, open));
          at = end;
          state = open.length === 0 ? 'end' : 'next';
        }
        break;
      }
      case 'name':
      case 'name or }':
        if (char === '}' && state === 'name or }') {
          open.pop();
          state = open.length === 0 ? 'end' : 'next';
          at++;
        } else {
          const end = endOfString(text, at);
          if (end === undefined) return said(wrong(text, at, state, open));
          at = end;
          state = 'colon';
        }
        break;
      case 'colon':
        if (char !== ':') return said(wrong(text, at, state, open));
        state = 'value';
        at++;
        break;
      case 'next':
        if (char === ',') state = open.at(-1) === '}' ? 'name' : 'value';
        else if (char === open.at(-1)) {
          open.pop();
          if (open.length === 0) state = 'end';
        } else return said(wrong(text, at, state, open));
        at++;
        break;
      case 'end':
        return {
          problem:
            char === '\0'
              ? `zero bytes follow the first value, at character ${at + 1}: send the text without padding`
              : `something follows the first value, at character ${at + 1}: send one object per record`,
          follows: char === '{',
        };
    }
  }
}

type State = 'value' | 'value or ]' | 'name' | 'name or }' | 'colon' | 'next' | 'end';

const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;

const LITERAL = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Index after the scalar that begins at `at`; undefined where there is none. */
function endOfScalar(text: string, at: number): number | undefined {
  return text.charCodeAt(at) === QUOTE ? endOfString(text, at) : endOfMatch(LITERAL, text, at);
}

/**
 * Index after the string that begins at `at`; undefined where there is none or it breaks a rule. A loop, because one regular expression
 * for all of it keeps a way back for every character, and a record of 10 MiB, Kinesis's largest, overflows the engine's stack.
 */
function endOfString(text: string, at: number): number | undefined {
  if (text.charCodeAt(at) !== QUOTE) return undefined;
  for (let end = at + 1; end < text.length;) {
    const unit = text.charCodeAt(end);
    if (unit === QUOTE) return end + 1;
    if (unit < 0x20) return undefined;
    const next = unit === BACKSLASH ? endOfMatch(ESCAPE, text, end) : end + 1;
    if (next === undefined) return undefined;
    end = next;
  }
  return undefined;
}

function endOfMatch(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function expected(state: State, open: readonly string[]): string {
  switch (state) {
    case 'value':
      return 'a value';
    case 'value or ]':
      return 'a value or ]';
    case 'name':
      return 'a name in double quotes';
    case 'name or }':
      return 'a name in double quotes or }';
    case 'colon':
      return ': after the name';
    case 'next':
      return `, or ${open.at(-1) ?? 'the end'}`;
    case 'end':
      return 'the end';
  }
}

function wrong(text: string, at: number, state: State, open: readonly string[]): string {
  const place = `at character ${at + 1}`;
  if (text.charAt(at) === '"') {
    return `the string that begins ${place} does not end, or holds a line break, another control character or an unknown escape`;
  }
  const word = /^(?:-?(?:NaN|Infinity|inf)|undefined|None|True|False)\b/.exec(text.slice(at, at + 12))?.[0];
  if (word !== undefined && (state === 'value' || state === 'value or ]')) {
    return `${place} stands ${word}, which JSON does not have: send ${/^[TF]/.test(word) ? word.toLowerCase() : 'null, or leave the member out'}`;
  }
  return `${place} stands ${JSON.stringify(
    // Ten characters, each of one or two UTF-16 units: never half of one.
    Array.from(text.slice(at, at + 20))
      .slice(0, 10)
      .join(''),
  )} where ${expected(state, open)} belongs${text.charAt(at) === "'" ? ', in double quotes: of a Python dict, send json.dumps(event)' : ''}`;
}
