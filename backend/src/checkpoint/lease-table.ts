import {
  ConditionalCheckFailedException,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  ScanCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { AwsCredentials } from '../aws/credentials.ts';
import { awsFailure } from '../aws/failure.ts';
import { requestHandler } from '../aws/request-handler.ts';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { sentences } from '../format.ts';
import type { ShardCheckpoint, StreamCheckpoint } from './checkpoint.ts';
import { readRelease, readShard, readStream, writeRelease, writeShard, writeStream } from './file-format.ts';

/*
 * What lies in DynamoDB: the lease table, which is KCL's (`TABLE`: an item per shard, our checkpoint is the state of its pending checkpoint), and a
 * table of our own beside it (`TABLE-userpulse`), because KCL takes whatever it finds in its own for leases: what belongs to the stream as a whole,
 * and releases.
 */

/** Appended to the name of the lease table. */
const OWN_TABLE = '-userpulse';
/** What KCL calls an item that is a lease. */
const LEASE = 'LEASE';
const STREAM_ITEM = 'stream';
const releaseItem = (shardId: string): string => `release ${shardId}`;
/** What a checkpoint in a folder said of a shard, for whoever is given its lease first. */
const offerItem = (shardId: string): string => `import ${shardId}`;
/** Where the checkpoint has gone, if it has. */
const MOVED_ITEM = 'moved';
/** Renewals come three times within a failover time, which is 10 s unless set. */
const RENEWAL_MS = 3_600;
/** How long a new table is waited for, in ms. */
const TABLE_PATIENCE_MS = 60_000;
const TABLE_POLL_MS = 500;

/** A lease as anybody may read it. */
export interface StoredLease {
  readonly shardId: string;
  /** Who has it; undefined where nobody has. */
  readonly owner: string | undefined;
  /** Undefined where nothing was stored yet. */
  readonly checkpoint: ShardCheckpoint | undefined;
}

export const tableOf = (url: URL): string => url.hostname;

export function createDynamoClient(): DynamoDBClient {
  const credentials = new AwsCredentials();
  const client = new DynamoDBClient({
    credentials: credentials.provider,
    requestHandler: requestHandler(16),
    maxAttempts: 3,
  });
  client.middlewareStack.add((next) => (args) => credentials.watch(() => next(args)), {
    step: 'initialize',
    name: 'userpulseCredentials',
  });
  return client;
}

/** @throws UserpulseError `checkpoint_unusable` from every method, with what to do; a call may be tried again where it says `transient` */
export class LeaseTable {
  readonly table: string;
  readonly #client: DynamoDBClient;

  constructor(url: URL, client: DynamoDBClient) {
    this.table = tableOf(url);
    this.#client = client;
  }

  get #own(): string {
    return this.table + OWN_TABLE;
  }

  /** Makes our own table where it is absent. KCL makes its own. */
  async prepare(): Promise<void> {
    await this.#call(async () => {
      if ((await this.#status(this.#own)) === undefined) {
        await this.#client
          .send(
            new CreateTableCommand({
              TableName: this.#own,
              BillingMode: 'PAY_PER_REQUEST',
              AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
              KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
            }),
          )
          // Another worker makes it at the same time.
          .catch((error: unknown) => {
            if (!(error instanceof ResourceInUseException)) throw error;
          });
      }
      for (let waitedMs = 0; (await this.#status(this.#own)) !== 'ACTIVE'; waitedMs += TABLE_POLL_MS) {
        if (waitedMs >= TABLE_PATIENCE_MS) throw new Error(`the table ${this.#own} does not become active`);
        await systemClock.sleep(TABLE_POLL_MS, new AbortController().signal);
      }
    });
  }

  /** Whether there are leases. */
  async exists(): Promise<boolean> {
    return this.#call(async () => (await this.#status(this.table)) !== undefined);
  }

  /** Of the whole stream, in place of what may be there. */
  async replaceStream(checkpoint: StreamCheckpoint): Promise<void> {
    await this.#put(STREAM_ITEM, writeStream(checkpoint));
    await this.#put(MOVED_ITEM, '');
  }

  /** From now on no worker starts on this table. @param to where its checkpoint has gone */
  async moved(to: string): Promise<void> {
    await this.#put(MOVED_ITEM, to);
  }

  /** @throws UserpulseError where the table's checkpoint has moved elsewhere */
  async refuseMoved(): Promise<void> {
    const to = (await this.#get(MOVED_ITEM)) ?? '';
    if (to === '') return;
    throw this.#unusable(
      `its checkpoint was moved to ${to}, and is gone on with there`,
      `Set USERPULSE_CHECKPOINT=${to} for one ingest; or stop it and move it back with "userpulse leases import".`,
    );
  }

  /** @throws UserpulseError `checkpoint_locked` while a worker renews a lease */
  async refuseWorkers(): Promise<void> {
    const { renewed } = await this.renewals();
    if (renewed.length === 0) return;
    throw new UserpulseError(
      'checkpoint_locked',
      `Workers have leases of ${this.table} (USERPULSE_CHECKPOINT): ${renewed.join(', ')}.`,
      { hint: 'Stop every ingest of the stream first (SIGTERM).' },
    );
  }

  /** Watches the leases for as long as a renewal takes. @returns who renews, and of which shards the lease has an owner and is not renewed */
  async renewals(): Promise<{ readonly renewed: readonly string[]; readonly still: readonly string[] }> {
    const before = await this.#owned();
    if (before.size === 0) return { renewed: [], still: [] };
    await systemClock.sleep(RENEWAL_MS, new AbortController().signal);
    const renewed = new Set<string>();
    const still: string[] = [];
    for (const [shardId, { owner, counter }] of await this.#owned()) {
      if (before.get(shardId)?.counter === counter) still.push(shardId);
      else renewed.add(owner);
    }
    return { renewed: [...renewed].sort(), still: still.sort() };
  }

  async #owned(): Promise<ReadonlyMap<string, { readonly owner: string; readonly counter: number }>> {
    const owned = new Map<string, { readonly owner: string; readonly counter: number }>();
    for (const found of await this.#items()) {
      const [shardId, owner] = [found['leaseKey']?.S, found['leaseOwner']?.S];
      if (shardId !== undefined && owner !== undefined)
        owned.set(shardId, { owner, counter: Number(found['leaseCounter']?.N ?? 0) });
    }
    return owned;
  }

  /** For whoever is given the shard's lease first. */
  async offer(stream: string, checkpoint: ShardCheckpoint): Promise<void> {
    await this.#put(offerItem(checkpoint.shardId), writeShard(stream, checkpoint));
  }

  /** @returns a text for {@link readState}; undefined where no folder has moved here */
  offered(shardId: string): Promise<string | undefined> {
    return this.#get(offerItem(shardId));
  }

  /** @throws UserpulseError where somebody has begun on this table */
  async refuseBegun(stream: string): Promise<void> {
    const begun = (await this.leases(stream)).some(({ checkpoint }) => checkpoint !== undefined);
    if (begun || (await this.storedStream()) !== undefined) {
      throw this.#unusable('workers have begun on it', 'Move the checkpoint to a table that does not exist yet.');
    }
  }

  /** What belongs to the stream as a whole: what is stored, which is `proposed` where nothing was. */
  async stream(proposed: StreamCheckpoint): Promise<StreamCheckpoint> {
    await this.#call(async () => {
      try {
        await this.#client.send(
          new PutItemCommand({
            TableName: this.#own,
            Item: item(STREAM_ITEM, writeStream(proposed)),
            ConditionExpression: 'attribute_not_exists(#name)',
            ExpressionAttributeNames: { '#name': 'name' },
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    });
    return (await this.storedStream()) ?? proposed;
  }

  async storedStream(): Promise<StreamCheckpoint | undefined> {
    const text = await this.#get(STREAM_ITEM);
    return text === undefined
      ? undefined
      : this.#read(`the item "${STREAM_ITEM}" of ${this.#own}`, () => readStream(text));
  }

  /** @returns until when (ms) the shard is released; 0 where nobody has released it */
  async releasedToMs(shardId: string): Promise<number> {
    const name = releaseItem(shardId);
    const text = await this.#get(name);
    return text === undefined ? 0 : this.#read(`the item "${name}" of ${this.#own}`, () => readRelease(text).untilMs);
  }

  async release(stream: string, shardId: string, untilMs: number): Promise<void> {
    await this.#put(releaseItem(shardId), writeRelease(stream, shardId, untilMs));
  }

  /** Every lease there is; none where there is no table. */
  async leases(stream: string): Promise<readonly StoredLease[]> {
    const leases: StoredLease[] = [];
    for (const found of await this.#items()) {
      const shardId = found['leaseKey']?.S ?? '';
      const state = found['pendingCheckpointState']?.B;
      const text = state === undefined ? await this.offered(shardId) : Buffer.from(state).toString('utf8');
      const checkpoint =
        endedLease(shardId, found) ?? (text === undefined ? undefined : this.readState(stream, shardId, text));
      leases.push({ shardId, owner: found['leaseOwner']?.S, checkpoint });
    }
    return leases;
  }

  /** KCL keeps its own state among the leases: that is left out. */
  async #items(): Promise<readonly Record<string, AttributeValue>[]> {
    const items: Record<string, AttributeValue>[] = [];
    let from: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#call(async () => {
        if (from === undefined && (await this.#status(this.table)) === undefined) return { Items: [] };
        return this.#client.send(
          new ScanCommand({ TableName: this.table, ConsistentRead: true, ...(from && { ExclusiveStartKey: from }) }),
        );
      });
      items.push(...(page.Items ?? []).filter((found) => (found['entityType']?.S ?? LEASE) === LEASE));
      from = 'LastEvaluatedKey' in page ? page.LastEvaluatedKey : undefined;
    } while (from !== undefined);
    return items;
  }

  /** @throws UserpulseError where the state is not one that this program has written for this shard */
  readState(stream: string, shardId: string, state: string): ShardCheckpoint {
    const read = this.#read(`the lease of ${shardId} in ${this.table}`, () => readShard(state));
    if (read.stream !== stream) {
      throw this.#unusable(
        `it belongs to stream "${read.stream}", not to "${stream}" (USERPULSE_STREAM)`,
        'Use a separate table for each stream.',
      );
    }
    if (read.checkpoint.shardId !== shardId) {
      throw this.#unusable(`the lease of ${shardId} holds the checkpoint of ${read.checkpoint.shardId}`, DAMAGED);
    }
    return read.checkpoint;
  }

  async #put(name: string, content: string): Promise<void> {
    await this.#call(() => this.#client.send(new PutItemCommand({ TableName: this.#own, Item: item(name, content) })));
  }

  async #get(name: string): Promise<string | undefined> {
    const { Item } = await this.#call(() =>
      this.#client
        .send(new GetItemCommand({ TableName: this.#own, Key: { name: { S: name } }, ConsistentRead: true }))
        .catch((error: unknown) => {
          if (error instanceof ResourceNotFoundException) return { Item: undefined };
          throw error;
        }),
    );
    return Item?.['content']?.S;
  }

  async #status(table: string): Promise<string | undefined> {
    try {
      const { Table } = await this.#client.send(new DescribeTableCommand({ TableName: table }));
      return Table?.TableStatus;
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const failure = awsFailure(error);
      switch (failure.kind) {
        case 'unauthorized':
          throw this.#unusable(
            failure.reason,
            failure.advice ??
              `Give this user dynamodb:DescribeTable, CreateTable, UpdateTable, Scan, Query, GetItem, PutItem, UpdateItem and DeleteItem on ${this.table} and on ${this.table}-*.`,
            error,
          );
        case 'no_credentials':
        case 'no_region':
          throw this.#unusable(failure.reason, 'Set AWS credentials and AWS_REGION, as for Kinesis.', error);
        default:
          throw this.#unusable(
            failure.reason,
            'Is DynamoDB reachable from here (AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB)?',
            error,
          );
      }
    }
  }

  #read<T>(what: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#unusable(`${what} is damaged, or was written by a newer version`, DAMAGED, error);
    }
  }

  #unusable(why: string, hint: string, cause?: unknown): UserpulseError {
    return new UserpulseError(
      'checkpoint_unusable',
      sentences(`The lease table ${this.table} (USERPULSE_CHECKPOINT) cannot be used: ${why}`),
      { hint, cause },
    );
  }
}

const DAMAGED =
  'Restore the table from a backup (point-in-time recovery). Without one, begin with a new table: the stream is read from USERPULSE_START again. Counts stay exact, but the archive then holds some records twice.';

/** KCL forgets the state of a shard that was read to its end. */
function endedLease(shardId: string, found: Record<string, AttributeValue>): ShardCheckpoint | undefined {
  if (found['checkpoint']?.S !== 'SHARD_END') return undefined;
  return { shardId, sequenceNumber: null, completeToMs: 0, pending: null, done: true, relocations: [], warmFrom: null };
}

const item = (name: string, content: string): Record<string, AttributeValue> => ({
  name: { S: name },
  content: { S: content },
});
