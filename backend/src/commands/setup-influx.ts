import { callInflux, influxMessage, type InfluxAnswer, type InfluxTarget } from '../influx/api.ts';
import { influxUnreachable, refusalOf } from '../influx/influx-check.ts';
import { ROLES } from '../../../contract/roles.ts';
import { errorOf } from '../check.ts';
import { UserpulseError } from '../errors.ts';
import { BUCKET_ROLES, type BucketNames, type BucketRole } from '../schema/buckets.ts';
import { z } from 'zod';

/** A bucket after `setup`. */
export interface BucketOutcome {
  readonly role: BucketRole;
  readonly name: string;
  readonly id: string;
  readonly created: boolean;
  /** 0 = infinite. */
  readonly retentionSeconds: number;
}

/** The commands that tokens are for. Each allows what its command does with the four buckets, and nothing else. */
const TOKEN_USES = ['ingest', 'serve', 'start'] as const;
type TokenUse = (typeof TOKEN_USES)[number];

const TOKEN_ACTIONS: Readonly<Record<TokenUse, readonly ('read' | 'write')[]>> = {
  ingest: ['write'],
  serve: ['read'],
  start: ['write', 'read'],
};

export interface TokenOutcome {
  readonly use: TokenUse;
  readonly description: string;
  /** InfluxDB's id of the authorization, for deleting it. */
  readonly id: string;
  /** The secret, if this run created the token. It is shown once and not stored. */
  readonly token?: string;
}

const organizations = z.object({ orgs: z.array(z.object({ id: z.string(), name: z.string() })).optional() });
const bucket = z.object({
  id: z.string(),
  name: z.string(),
  retentionRules: z.array(z.object({ everySeconds: z.number() })).optional(),
});
const bucketList = z.object({ buckets: z.array(bucket).optional() });
const permission = z.object({
  action: z.string(),
  resource: z.object({ type: z.string(), id: z.string().optional() }),
});
const authorization = z.object({
  id: z.string(),
  status: z.string().optional(),
  description: z.string().optional(),
  permissions: z.array(permission).optional(),
});
const createdAuthorization = authorization.extend({ token: z.string().min(1) });
const authorizationList = z.object({ authorizations: z.array(authorization).optional() });

/** The hint where the token does not allow what setup does. */
export const OPERATOR_NEEDED =
  'setup needs an operator token in INFLUX_TOKEN, or in the file that INFLUX_TOKEN_FILE names: the one that "influx setup" or the first start of InfluxDB printed, or an all-access token. All other commands work with the narrower tokens that setup prints.';

/** InfluxDB's administrative calls for `setup`, within one organisation. */
export class InfluxAdmin {
  readonly #target: InfluxTarget;
  readonly #signal: AbortSignal;

  constructor(target: InfluxTarget, signal: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
  }

  /** @throws UserpulseError where the organisation is unknown to the token. */
  async organizationId(): Promise<string> {
    const answer = await this.#call('look up the organisation', {
      method: 'GET',
      path: 'api/v2/orgs',
      query: { org: this.#target.org },
    });
    const found = organizations.parse(JSON.parse(answer.text)).orgs?.find((o) => o.name === this.#target.org);
    if (found === undefined) {
      throw new UserpulseError(
        'influx_unauthorized',
        `The token in ${this.#target.token.where} cannot see organisation "${this.#target.org}" (INFLUX_ORG).`,
        { hint: OPERATOR_NEEDED },
      );
    }
    return found.id;
  }

  /** Creates missing buckets. An existing bucket stays as it is, including its retention. */
  async ensureBuckets(orgId: string, names: BucketNames, retentionSeconds: number): Promise<readonly BucketOutcome[]> {
    const outcomes: BucketOutcome[] = [];
    for (const role of BUCKET_ROLES) {
      const name = names[role];
      const found = await this.#findBucket(name);
      if (found !== undefined) {
        outcomes.push({
          role,
          name,
          id: found.id,
          created: false,
          retentionSeconds: found.retentionRules?.[0]?.everySeconds ?? 0,
        });
        continue;
      }
      const answer = await this.#call(`create bucket "${name}" (${ROLES[role].setting})`, {
        method: 'POST',
        path: 'api/v2/buckets',
        body: JSON.stringify({
          orgID: orgId,
          name,
          description: `Userpulse: ${ROLES[role].content}`,
          retentionRules: retentionSeconds === 0 ? [] : [{ type: 'expire', everySeconds: retentionSeconds }],
        }),
      });
      const made = bucket.parse(JSON.parse(answer.text));
      outcomes.push({ role, name, id: made.id, created: true, retentionSeconds });
    }
    return outcomes;
  }

  /**
   * Creates missing narrower tokens or, with `renew`, new ones for all uses. Old ones stay valid until they are deleted, so that a running
   * ingest does not lose access.
   */
  async ensureTokens(
    orgId: string,
    buckets: readonly BucketOutcome[],
    renew: boolean,
  ): Promise<{ readonly tokens: readonly TokenOutcome[]; readonly replaced: readonly TokenOutcome[] }> {
    const answer = await this.#call('list the tokens', {
      method: 'GET',
      path: 'api/v2/authorizations',
      query: { org: this.#target.org },
    });
    const existing = authorizationList.parse(JSON.parse(answer.text)).authorizations ?? [];
    const tokens: TokenOutcome[] = [];
    const replaced: TokenOutcome[] = [];
    for (const use of TOKEN_USES) {
      const description = `userpulse ${use}: ${TOKEN_ACTIONS[use].join(' and ')} ${buckets.map((b) => b.name).join(', ')}`;
      // A token of the same name for buckets that were deleted and created again is useless.
      const same = existing.filter(
        (a) =>
          a.description === description &&
          a.status !== 'inactive' &&
          buckets.every((b) =>
            TOKEN_ACTIONS[use].every((action) =>
              (a.permissions ?? []).some(
                (p) => p.action === action && p.resource.type === 'buckets' && p.resource.id === b.id,
              ),
            ),
          ),
      );
      const kept = same[0];
      if (kept !== undefined && !renew) {
        tokens.push({ use, description, id: kept.id });
        continue;
      }
      replaced.push(...same.map((a) => ({ use, description, id: a.id })));
      const created = await this.#call(`create the token for ${use}`, {
        method: 'POST',
        path: 'api/v2/authorizations',
        body: JSON.stringify({
          orgID: orgId,
          status: 'active',
          description,
          permissions: buckets.flatMap((b) =>
            TOKEN_ACTIONS[use].map((action) => ({ action, resource: { type: 'buckets', id: b.id, orgID: orgId } })),
          ),
        }),
      });
      const made = createdAuthorization.parse(JSON.parse(created.text));
      tokens.push({ use, description, id: made.id, token: made.token });
    }
    return { tokens, replaced };
  }

  async #findBucket(name: string): Promise<z.infer<typeof bucket> | undefined> {
    const answer = await this.#send({
      method: 'GET',
      path: 'api/v2/buckets',
      query: { org: this.#target.org, name },
    });
    if (answer.status === 404 && /bucket/i.test(influxMessage(answer.text))) return undefined;
    this.#accept(`look up bucket "${name}"`, answer);
    return bucketList.parse(JSON.parse(answer.text)).buckets?.find((b) => b.name === name);
  }

  async #call(what: string, call: Parameters<typeof callInflux>[1]): Promise<InfluxAnswer> {
    const answer = await this.#send(call);
    this.#accept(what, answer);
    return answer;
  }

  async #send(call: Parameters<typeof callInflux>[1]): Promise<InfluxAnswer> {
    try {
      return await callInflux(this.#target, call, this.#signal);
    } catch (error) {
      throw errorOf(influxUnreachable(this.#target, error), error);
    }
  }

  /** InfluxDB hides what a token may not see behind 401, 403 and 404; during setup, all three mean the token. */
  #accept(what: string, answer: InfluxAnswer): void {
    if (answer.status < 300) return;
    const said = influxMessage(answer.text);
    if (answer.status === 401 || answer.status === 403 || answer.status === 404) {
      throw new UserpulseError(
        'influx_unauthorized',
        `InfluxDB at ${this.#target.host} (INFLUX_HOST) does not allow the token in ${this.#target.token.where} to ${what} in organisation "${this.#target.org}" (INFLUX_ORG): ${said}.`,
        { hint: OPERATOR_NEEDED },
      );
    }
    const refusal = refusalOf(this.#target, answer.status, answer.text);
    throw new UserpulseError(refusal?.code ?? 'influx_rejected', `Failed to ${what}: ${refusal?.message ?? said}`, {
      hint: refusal?.hint ?? '',
    });
  }
}
