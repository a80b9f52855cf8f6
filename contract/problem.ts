/** What is wrong with an input, for people: the same words in the editor, a panel, an alert, a public dashboard and over HTTP. */
export interface Problem {
  /** A sentence that names the field and the value. */
  readonly message: string;
  /** A sentence that says what to do. */
  readonly hint?: string;
}

export const problemText = ({ message, hint }: Problem): string =>
  hint === undefined ? message : `${message} ${hint}`;

/** A value as it stands in a message. Long ones are cut, so that the message stays readable. */
export function quoted(value: unknown): string {
  if (typeof value !== 'string') return shown(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

function shown(value: unknown): string {
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return jsonType(value);
  }
}

/** The JSON type of a value, with its article: `an array`. */
export function jsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/** What looks like a template variable and has not been replaced: a slip of the pen, or a query where there are no variables. */
export const VARIABLE = /\$\w|\$\{|\[\[/;
/** Follows "… is not valid: ". */
export const NO_VALUE =
  'it holds a variable that has no value here. Create the variable in the dashboard’s settings, or write the value: alerts and public dashboards have no variables.';
