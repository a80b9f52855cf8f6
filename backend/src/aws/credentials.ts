import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { awsFailure } from './failure.ts';

type Provider = ReturnType<typeof defaultProvider>;
type Identity = Awaited<ReturnType<Provider>>;

/** How often (ms) credentials are looked up anew at most: some sources are services with quotas. */
const RENEW_MS = 1_000;

/**
 * The SDK's default chain of credentials, looked up anew after an answer that refuses them. The SDK itself keeps keys without an expiry for as long
 * as the process lives, and the shared files that it has read too, so that a renewed file would never be seen.
 */
export class AwsCredentials {
  #chain = chain();
  #current: Identity | undefined;
  #renewedMs = -Infinity;

  /** For the client's option `credentials`. The mark tells the SDK that keeping them is not its task. */
  readonly provider: Provider & { readonly memoized: true } = Object.assign(
    async (...args: Parameters<Provider>) => (this.#current = await this.#chain(...args)),
    { memoized: true as const },
  );

  /**
   * Runs a call of the client; to be added to its middleware. A refusal says from then on where the refused keys came from (see awsFailure), and the
   * next call gets new ones.
   */
  async watch<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (awsFailure(error).kind === 'unauthorized') this.#refused(error);
      throw error;
    }
  }

  #refused(error: unknown): void {
    if (error instanceof Error && isFromVariables(this.#current))
      Object.assign(error, { credentialsFrom: 'variables' });
    if (Date.now() - this.#renewedMs < RENEW_MS) return;
    this.#renewedMs = Date.now();
    this.#chain = chain();
  }
}

const chain = (): Provider => defaultProvider({ ignoreCache: true });

/** The SDK's own mark on what came from AWS_ACCESS_KEY_ID: the environment of a running process does not change. */
const isFromVariables = (identity: Identity | undefined): boolean =>
  identity !== undefined &&
  '$source' in identity &&
  typeof identity.$source === 'object' &&
  identity.$source !== null &&
  'CREDENTIALS_ENV_VARS' in identity.$source;
