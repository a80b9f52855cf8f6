import { createHmac, createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { IdFormat, IdKind } from '../../../contract/ids.ts';

/** An Ed25519 private key in DER (PKCS #8) is this, and then the 32 bytes of its seed: RFC 8410 §7. */
const ED25519_DER = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * What "userpulse forget" derives from USERPULSE_ERASURE_KEY. All of it depends on the key and its argument alone, so that a run that was cut short
 * and one that runs again write the same; and none of it can be recomputed, or tried out, without the key.
 */
export class ErasureKey {
  readonly #secret: string;
  /** Signs reports. */
  readonly signing: KeyObject;
  readonly verifying: KeyObject;
  /** Tells this key from another without telling anything about it: 16 hex digits. */
  readonly fingerprint: string;

  constructor(secret: string) {
    this.#secret = secret;
    const seed = Buffer.from(hkdfSync('sha256', secret, '', 'userpulse erasure report', 32));
    this.signing = createPrivateKey({ key: Buffer.concat([ED25519_DER, seed]), format: 'der', type: 'pkcs8' });
    this.verifying = createPublicKey(this.signing);
    this.fingerprint = this.#derive('key', '').toString('hex').slice(0, 16);
  }

  /** What stands for an id in the list of those that have been forgotten: 64 hex digits. */
  hashOf(kind: IdKind, id: string): string {
    return this.#derive(`forgotten ${kind}`, id).toString('hex');
  }

  /** 32 bytes that stand for an event id. */
  eventHash(eventId: string): Buffer {
    return this.#derive('event', eventId);
  }

  /**
   * A pseudonym that is an id of the format: 19 digits up to 2^63-1, 24 hex digits, or a text of 30 characters. That somebody has it already is as
   * likely as guessing theirs.
   */
  pseudonymOf(kind: IdKind, id: string, format: IdFormat): string {
    const hash = this.#derive(`pseudonym ${kind}`, id);
    switch (format) {
      case 'int64':
        return (LEAST_PSEUDONYM + (hash.readBigUInt64BE() % (2n ** 63n - LEAST_PSEUDONYM))).toString();
      case 'objectid':
        return hash.toString('hex').slice(0, 24);
      case 'text':
        return `someone-${hash.toString('base64url').slice(0, 22)}`;
      default:
        return format satisfies never;
    }
  }

  #derive(purpose: string, text: string): Buffer {
    return createHmac('sha256', this.#secret).update(`userpulse ${purpose}\0${text}`).digest();
  }
}

const LEAST_PSEUDONYM = 10n ** 18n;
