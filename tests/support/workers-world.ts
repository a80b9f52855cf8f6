import { DynamoDBClient, ScanCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { buildLeases } from '../../tools/build-leases.ts';
import { createProgress } from '../../tools/progress.ts';
import type { IngestProcess } from './ingest-process.ts';
import { IngestWorld, type WorldOptions } from './ingest-world.ts';
import { eventually, partsEnv, uniqueName } from './parts.ts';

/** How long a worker may be silent in tests, in ms; users wait longer. */
export const FAILOVER_MS = 3_000;

/** A lease as it lies in DynamoDB, read without any of ingest's code. */
export interface LeaseItem {
  readonly shardId: string;
  readonly owner: string | undefined;
  readonly counter: number;
  readonly checkpoint: string;
  readonly state:
    | {
        readonly sequenceNumber: string | null;
        readonly done: boolean;
        readonly pending: { readonly first: string; readonly last: string } | null;
      }
    | undefined;
}

/** A stream that several workers share: an {@link IngestWorld} whose checkpoint is a lease table. */
export class WorkersWorld {
  readonly world: IngestWorld;
  readonly table: string;
  readonly #dynamodb: DynamoDBClient;

  private constructor(world: IngestWorld, table: string) {
    this.world = world;
    this.table = table;
    const { AWS_ENDPOINT_URL_DYNAMODB: endpoint = '', AWS_REGION: region = '' } = partsEnv();
    this.#dynamodb = new DynamoDBClient({ endpoint, region, credentials: { accessKeyId: 'x', secretAccessKey: 'x' } });
  }

  static async create(options: WorldOptions = {}): Promise<WorkersWorld> {
    await buildLeases(createProgress(process.stderr));
    const table = uniqueName('leases');
    const world = await IngestWorld.create({
      program: 'built',
      ...options,
      env: {
        USERPULSE_CHECKPOINT: `dynamodb://${table}`,
        USERPULSE_FAILOVER_MS: String(FAILOVER_MS),
        ...options.env,
      },
    });
    return new WorkersWorld(world, table);
  }

  worker(env: Readonly<Record<string, string>> = {}): IngestProcess {
    return this.world.ingest(env);
  }

  async leases(): Promise<readonly LeaseItem[]> {
    const { Items = [] } = await this.#dynamodb
      .send(new ScanCommand({ TableName: this.table, ConsistentRead: true }))
      .catch(() => ({ Items: [] }));
    return Items.filter((item) => (item['entityType']?.S ?? 'LEASE') === 'LEASE')
      .map(leaseItem)
      .sort((a, b) => a.shardId.localeCompare(b.shardId));
  }

  /** Waits until so many leases that are not at their shard's end have an owner, of so many different ones. */
  async untilOwned(leases: number, owners: number, timeoutMs = 90_000): Promise<void> {
    let seen: readonly LeaseItem[] = [];
    await eventually(
      async () => {
        seen = (await this.leases()).filter(
          ({ checkpoint, owner }) => checkpoint !== 'SHARD_END' && owner !== undefined,
        );
        return seen.length >= leases && new Set(seen.map(({ owner }) => owner)).size >= owners;
      },
      { what: `${leases} leases of at least ${owners} workers`, timeoutMs, intervalMs: 250 },
    ).catch((error: unknown) => {
      throw new Error(`The leases are ${JSON.stringify(seen)}.`, { cause: error });
    });
  }

  /** Waits until the leases say that all that was put is durable in every sink. */
  async untilDurable(timeoutMs = 120_000): Promise<void> {
    const behind = new Map(this.world.marks());
    await eventually(
      async () => {
        for (const { shardId, checkpoint, state } of await this.leases()) {
          const mark = behind.get(shardId);
          if (mark === undefined) continue;
          const sequenceNumber = state?.sequenceNumber ?? null;
          const passed = sequenceNumber !== null && state?.pending === null && BigInt(sequenceNumber) >= mark;
          if (checkpoint === 'SHARD_END' || state?.done === true || passed) behind.delete(shardId);
        }
        return behind.size === 0;
      },
      { what: 'every lease to pass the last record put', timeoutMs, intervalMs: 100 },
    ).catch((error: unknown) => {
      throw new Error(`${[...behind.keys()].join(', ')} stay behind.`, { cause: error });
    });
  }

  async end(): Promise<void> {
    await this.world.end();
    this.#dynamodb.destroy();
  }
}

function leaseItem(item: Record<string, AttributeValue>): LeaseItem {
  const state = item['pendingCheckpointState']?.B;
  return {
    shardId: item['leaseKey']?.S ?? '',
    owner: item['leaseOwner']?.S,
    counter: Number(item['leaseCounter']?.N ?? 0),
    checkpoint: item['checkpoint']?.S ?? '',
    state: state === undefined ? undefined : (JSON.parse(Buffer.from(state).toString('utf8')) as LeaseItem['state']),
  };
}
