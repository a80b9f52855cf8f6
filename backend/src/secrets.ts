import { readFileSync, statSync } from 'node:fs';

/** Settings whose values must never be shown. The AWS SDK reads the last three. */
export const SECRET_VARIABLES: readonly string[] = [
  'INFLUX_TOKEN',
  'USERPULSE_API_TOKEN',
  'USERPULSE_ERASURE_KEY',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
];

const MASK = '[secret]';
/** A shorter value is not masked: it would mask ordinary words. */
const SHORTEST = 8;

/**
 * Masks the values of secret settings in a text. Our own code never puts one there. This is the second line of defence, against messages of
 * libraries and servers: AWS's response to a wrong signature repeats signed headers, and a wrong INFLUX_HOST may echo what it was sent.
 */
export class SecretMask {
  readonly #forms = new Set<string>();

  constructor(env: Readonly<Record<string, string | undefined>>) {
    for (const name of SECRET_VARIABLES) this.add(env[name] ?? '');
  }

  /** A secret that came from elsewhere, such as a file. */
  add(value: string): void {
    if (value.length < SHORTEST) return;
    this.#forms.add(value);
    // Within JSON, as in the log, a value may be escaped.
    this.#forms.add(JSON.stringify(value).slice(1, -1));
  }

  apply(text: string): string {
    let masked = text;
    for (const form of this.#forms) masked = masked.replaceAll(form, MASK);
    return masked;
  }
}

/** The text of a response, without the token that was sent with the request. */
export const withoutToken = (text: string, token: string): string =>
  token.length < SHORTEST ? text : text.replaceAll(token, MASK);

/** A URL for messages: without user name, password and query string, which may hold credentials. Any other text is returned as it is. */
export const shownUrl = (text: string): string => text.replace(/\/\/[^/?#]*@/, '//').replace(/\?.*$/s, '?…');

/** A secret setting: from its variable, which a running process never sees change, or from a file, which it does. */
export interface Secret {
  /** For messages: `INFLUX_TOKEN`, or `/run/secrets/token (INFLUX_TOKEN_FILE)`. */
  readonly where: string;
  /** What a person must do so that a new value is used: the beginning or all of a hint. */
  readonly renewal: string;
  /** The value to use now. */
  current(): string;
  /** The value has been refused: reads a file again at once. */
  refused(): void;
}

export const variableSecret = (variable: string, value: string): Secret => ({
  where: variable,
  renewal: `Set ${variable} to a valid one and restart: a running process does not see the change, unless ${variable}_FILE names a file that holds it.`,
  current: () => value,
  refused: () => undefined,
});

/** How often (ms) a file is looked at: containers replace mounted secrets while the process runs. */
const LOOK_MS = 1_000;

/** Why a file cannot be used, in words that follow its name. */
export class SecretFileError extends Error {}

/**
 * A secret in a file, as containers mount them. The line break that editors add is not part of it. It is read again when the file has changed and
 * when the value was refused; a file that cannot be used any more, or not yet, leaves the last value in use.
 */
export class FileSecret implements Secret {
  readonly where: string;
  readonly renewal: string;
  readonly #path: string;
  readonly #check: (text: string) => string | undefined;
  readonly #onValue: (value: string) => void;
  readonly #now: () => number;
  #value: string;
  #stamp: string;
  #lookedMs: number;

  /**
   * @param options.check what is wrong with a value, in words that follow its name; undefined where nothing is
   * @param options.onValue told of each value, so that it can be masked
   * @throws SecretFileError where the file cannot be read, or holds no valid value
   */
  constructor(options: {
    readonly path: string;
    readonly variable: string;
    readonly check: (text: string) => string | undefined;
    readonly onValue: (value: string) => void;
    readonly now?: () => number;
  }) {
    this.where = `${options.path} (${options.variable})`;
    this.renewal = `Put a valid one into ${options.path} (${options.variable}): the file is read again before each attempt.`;
    this.#path = options.path;
    this.#check = options.check;
    this.#onValue = options.onValue;
    this.#now = options.now ?? Date.now;
    this.#lookedMs = this.#now();
    this.#stamp = this.#stampOf();
    this.#value = this.#read();
  }

  current(): string {
    if (Math.abs(this.#now() - this.#lookedMs) >= LOOK_MS) this.#look(false);
    return this.#value;
  }

  refused(): void {
    this.#look(true);
  }

  #look(always: boolean): void {
    this.#lookedMs = this.#now();
    try {
      const stamp = this.#stampOf();
      if (!always && stamp === this.#stamp) return;
      this.#value = this.#read();
      this.#stamp = stamp;
    } catch (error) {
      // In the middle of being replaced, or broken: whoever is refused with the old value tells where the new one belongs.
      if (!(error instanceof SecretFileError)) throw error;
    }
  }

  #read(): string {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8').replace(/[\r\n]+$/, '');
    } catch (error) {
      throw unreadable(error);
    }
    const problem = text === '' ? 'is empty' : this.#check(text);
    if (problem !== undefined) throw new SecretFileError(problem);
    this.#onValue(text);
    return text;
  }

  /** Changes with the file: with its content, and with the file that a link leads to. */
  #stampOf(): string {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = statSync(this.#path);
      return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
    } catch (error) {
      throw unreadable(error);
    }
  }
}

function unreadable(error: unknown): SecretFileError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new SecretFileError('does not exist');
    case 'EISDIR':
      return new SecretFileError('is a folder, not a file');
    case 'EACCES':
    case 'EPERM':
      return new SecretFileError('may not be read by this user');
    default:
      return new SecretFileError(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
