/** Names of what Kinesis API servers answer to a request that they cannot read; the SDK's own name for an answer that has none. */
const NOT_UNDERSTOOD = new Set(['SerializationException', 'UnknownOperationException', 'Unknown', 'UnknownError']);
const CLIENT_ERROR = /^4/;

/** In which format a client asks for records: in CBOR, until the server turns out not to speak it. */
export class RecordsFormat {
  #current: 'cbor' | 'json' = 'cbor';
  readonly #onJson: () => void;

  /** @param onJson called when CBOR is given up, once */
  constructor(onJson: () => void = () => undefined) {
    this.#onJson = onJson;
  }

  get current(): 'cbor' | 'json' {
    return this.#current;
  }

  /** The server has given records in JSON: it is asked in JSON from now on. */
  answeredInJson(): void {
    if (this.#current === 'json') return;
    this.#current = 'json';
    this.#onJson();
  }

  /**
   * Sends a request for records, and once more in JSON where the server has not understood it. If that is understood, all others will be in JSON.
   * @param send serializes by {@link current}
   */
  async understood<T>(send: () => Promise<T>): Promise<T> {
    const asked = this.#current;
    try {
      return await send();
    } catch (error) {
      if (asked === 'json' || !isNotUnderstood(error)) throw error;
      const before = this.#current;
      this.#current = 'json';
      try {
        const answer = await send();
        if (before === 'cbor') this.#onJson();
        return answer;
      } catch (second) {
        this.#current = before;
        throw second;
      }
    }
  }
}

/** An answer that is neither JSON nor CBOR fails in the SDK's parser, and has its status all the same. */
function isNotUnderstood(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { $metadata, $response } = error as {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly statusCode?: number };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode ?? 0;
  return CLIENT_ERROR.test(String(status)) && (NOT_UNDERSTOOD.has(error.name) || error instanceof SyntaxError);
}
