import { jsonType, quoted, type Problem } from './problem.ts';

/** What the value of a field looks like in JSON. */
export type Form =
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  | { readonly kind: 'choices'; readonly of: readonly string[] }
  | { readonly kind: 'text'; readonly maxLength: number }
  /** Interaction types. */
  | { readonly kind: 'texts'; readonly maxLength: number; readonly maxItems: number }
  /** Ids: strings; JSON numbers too, as long as JavaScript can hold them exactly. */
  | { readonly kind: 'ids'; readonly maxLength: number; readonly maxItems: number }
  | { readonly kind: 'whole'; readonly min: number; readonly max: number }
  | { readonly kind: 'number'; readonly above: number }
  | { readonly kind: 'flag' }
  /** The version that a query was saved in: whole, and not newer than what is known here. */
  | { readonly kind: 'version'; readonly known: number }
  | { readonly kind: 'object'; readonly fields: FieldTable }
  /** Ad-hoc filters, as Grafana gives them. */
  | { readonly kind: 'filters' };

/** One ad-hoc filter; `values` for the operators that take several. */
export interface AdHocFilter {
  readonly key: string;
  readonly operator: string;
  readonly value: string;
  readonly values?: readonly string[];
}

export interface Field {
  readonly form: Form;
  /** The value of a field that is absent; undefined where absence has a meaning of its own. */
  readonly fallback?: unknown;
  readonly description: string;
}

export type FieldTable = Readonly<Record<string, Field>>;

type ValueOf<F extends Form> = F extends { readonly kind: 'choice'; readonly of: readonly (infer T)[] }
  ? T
  : F extends { readonly kind: 'choices'; readonly of: readonly (infer T)[] }
    ? readonly T[]
    : F extends { readonly kind: 'text' }
      ? string
      : F extends { readonly kind: 'texts' | 'ids' }
        ? readonly string[]
        : F extends { readonly kind: 'whole' | 'number' }
          ? number
          : F extends { readonly kind: 'flag' }
            ? boolean
            : F extends { readonly kind: 'version'; readonly known: infer V }
              ? V
              : F extends { readonly kind: 'object'; readonly fields: infer T extends FieldTable }
                ? ValuesOf<T>
                : F extends { readonly kind: 'filters' }
                  ? readonly AdHocFilter[]
                  : never;

type WithFallback<T extends FieldTable> = {
  [K in keyof T]: T[K] extends { readonly fallback: unknown } ? K : never;
}[keyof T];

/** The values of a table's fields: those with a fallback are always there. */
export type ValuesOf<T extends FieldTable> = {
  readonly [K in WithFallback<T>]: ValueOf<T[K]['form']>;
} & { readonly [K in Exclude<keyof T, WithFallback<T>>]?: ValueOf<T[K]['form']> };

/** What was read: every value, with the fallback in place of one that is wrong, and what is wrong. */
export interface Reading<T extends FieldTable> {
  readonly values: ValuesOf<T>;
  /** By field, in the order of the table; unknown fields last, each under its own name. Empty: all is well. */
  readonly problems: ReadonlyMap<string, Problem>;
}

/**
 * Reads an object that came as JSON. Absent, null and blank text give the fallback; a wrong value is never replaced by a guess: it is a problem,
 * and whoever runs the values must look at {@link Reading.problems} first. Texts are trimmed, members of a list come once.
 * @param ignored fields that belong to somebody else and may hold anything
 * @param what the object, for messages: `query`
 */
export function readFields<T extends FieldTable>(
  table: T,
  given: unknown,
  ignored: ReadonlySet<string>,
  what: string,
): Reading<T> {
  const values: Record<string, unknown> = {};
  const problems = new Map<string, Problem>();
  const from = asRecord(given);
  if (from === undefined && given !== undefined && given !== null)
    problems.set('', { message: `The ${what} must be an object, not ${jsonType(given)}.` });
  for (const [name, { form, fallback }] of Object.entries(table)) {
    const value = from !== undefined && Object.hasOwn(from, name) ? from[name] : undefined;
    const read = isAbsent(value, form) ? { value: fallback } : readValue(form, value, name);
    if ('problem' in read) problems.set(name, read.problem);
    const result = 'problem' in read ? fallback : read.value;
    if (result !== undefined) values[name] = result;
  }
  for (const [name, value] of Object.entries(from ?? {}))
    if (!Object.hasOwn(table, name) && !ignored.has(name) && value !== null && value !== undefined)
      problems.set(name, {
        message: `${quoted(name)} is not a field of ${article(what)}.`,
        hint: `Remove it. The fields are ${Object.keys(table).join(', ')}.`,
      });
  return { values: values as ValuesOf<T>, problems };
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;

const article = (noun: string): string => `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;

/** A blank text is what an empty variable or input leaves behind. A blank choice is not: nobody leaves one empty. */
const isAbsent = (value: unknown, form: Form): boolean =>
  value === undefined || value === null || (form.kind === 'text' && typeof value === 'string' && value.trim() === '');

type Read = { readonly value: unknown } | { readonly problem: Problem };

const wrong = (message: string, hint?: string): Read => ({
  problem: hint === undefined ? { message } : { message, hint },
});
const wrongType = (name: string, wanted: string, value: unknown): Read =>
  wrong(
    `${name} must be ${wanted}, not ${typeof value === 'number' || typeof value === 'string' ? `${jsonType(value)} (${quoted(value)})` : jsonType(value)}.`,
  );

function readValue(form: Form, value: unknown, name: string): Read {
  switch (form.kind) {
    case 'choice':
      return readChoice(form.of, value, name);
    case 'choices':
      return readList(value, name, form.of.length, (item, itemName) => readChoice(form.of, item, itemName, name));
    case 'text':
      return readText(form, value, name);
    case 'texts':
      return readList(value, name, form.maxItems, (item, itemName) => readText(form, item, itemName));
    case 'ids':
      return readList(value, name, form.maxItems, (item, itemName) => readId(form, item, itemName));
    case 'whole':
      return typeof value === 'number' && Number.isInteger(value) && value >= form.min && value <= form.max
        ? { value }
        : typeof value === 'number'
          ? wrong(`${name} ${value} is not valid.`, `Use a whole number from ${form.min} to ${form.max}.`)
          : wrongType(name, `a whole number from ${form.min} to ${form.max}`, value);
    case 'number':
      return typeof value === 'number' && value > form.above
        ? { value }
        : typeof value === 'number'
          ? wrong(`${name} ${value} is not valid.`, `Use a number above ${form.above}.`)
          : wrongType(name, `a number above ${form.above}`, value);
    case 'flag':
      return typeof value === 'boolean' ? { value } : wrongType(name, 'true or false', value);
    case 'version':
      if (value === form.known) return { value };
      return typeof value === 'number' && Number.isInteger(value) && value > form.known
        ? wrong(
            `The query was saved by a newer version of the plugin (query version ${value}; version ${form.known} is known here).`,
            'Update the plugin and the backend.',
          )
        : wrong(`${name} ${quoted(value)} is not valid.`, `Use ${form.known}, or leave it out.`);
    case 'object': {
      if (asRecord(value) === undefined) return wrongType(name, 'an object', value);
      const { values, problems } = readFields(form.fields, value, NOTHING, name);
      const [first] = problems.values();
      return first === undefined ? { value: values } : { problem: { ...first, message: `${name}: ${first.message}` } };
    }
    case 'filters':
      return Array.isArray(value) && value.every(isFilter)
        ? { value }
        : wrong(`${name} must be an array of objects with the strings key, operator and value.`);
    default:
      return form satisfies never;
  }
}

const isFilter = (value: unknown): boolean => {
  const filter = asRecord(value);
  return ['key', 'operator', 'value'].every((name) => typeof filter?.[name] === 'string');
};

const NOTHING: ReadonlySet<string> = new Set();

function readChoice(of: readonly string[], value: unknown, itemName: string, name = itemName): Read {
  if (typeof value !== 'string') return wrongType(itemName, `one of ${of.join(', ')}`, value);
  return of.includes(value)
    ? { value }
    : wrong(`${name} ${quoted(value)} is not known.`, `Use one of ${of.join(', ')}.`);
}

function readText({ maxLength }: { readonly maxLength: number }, value: unknown, name: string): Read {
  if (typeof value !== 'string') return wrongType(name, 'a string', value);
  const text = value.trim();
  return text.length <= maxLength
    ? { value: text }
    : wrong(`${name} has ${text.length} characters; at most ${maxLength} are allowed.`);
}

function readId(form: { readonly maxLength: number }, value: unknown, name: string): Read {
  if (typeof value !== 'number') return readText(form, value, name);
  return Number.isSafeInteger(value)
    ? { value: String(value) }
    : wrong(
        `${name} is a JSON number that cannot be read exactly: ${value} may differ from what was written.`,
        'Write it in quotes.',
      );
}

function readList(
  value: unknown,
  name: string,
  maxItems: number,
  readItem: (item: unknown, itemName: string) => Read,
): Read {
  if (!Array.isArray(value)) return wrongType(name, 'an array', value);
  if (value.length > maxItems) return wrong(`${name} has ${value.length} items; at most ${maxItems} are allowed.`);
  const items = new Set<unknown>();
  for (const [i, item] of value.entries()) {
    const read = readItem(item, `${name}[${i}]`);
    if ('problem' in read) return read;
    items.add(read.value);
  }
  return { value: [...items] };
}
