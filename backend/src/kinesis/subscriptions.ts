import {
  SubscribeToShardCommand,
  type KinesisClient,
  type StartingPosition,
  type SubscribeToShardCommandOutput,
} from '@aws-sdk/client-kinesis';
import { Readable } from 'node:stream';
import type { StreamConsumer } from './consumer.ts';
import { call, SourceError, type Position } from './stream-source.ts';

/** Port: subscribing to shards. */
export interface ShardSubscriptions {
  /**
   * One SubscribeToShard.
   * @param signal ends the subscription, too
   * @returns the body of the answer, an event stream; it fails where the connection does
   * @throws SourceError
   */
  subscribe(shardId: string, position: Position, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
}

/** Subscriptions of a registered consumer, through the official client with HTTP/2. */
export class KinesisSubscriptions implements ShardSubscriptions {
  readonly #client: KinesisClient;
  readonly #consumer: StreamConsumer;

  /** @param client made by createSubscriptionClient */
  constructor(client: KinesisClient, consumer: StreamConsumer) {
    this.#client = client;
    this.#consumer = consumer;
  }

  async subscribe(shardId: string, position: Position, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const ConsumerARN = await this.#consumer.arn(signal);
    try {
      const output = await call(signal, () =>
        this.#client.send(
          new SubscribeToShardCommand({ ConsumerARN, ShardId: shardId, StartingPosition: startingPosition(position) }),
          { abortSignal: signal },
        ),
      );
      return bodyOf(output);
    } catch (error) {
      // The shard is gone, or the consumer: the next look at the consumer tells.
      if (error instanceof SourceError && error.kind === 'not_found') await this.#consumer.verify(ConsumerARN, signal);
      throw error;
    }
  }
}

/** See KinesisProtocol. */
function bodyOf({ EventStream }: SubscribeToShardCommandOutput): AsyncIterable<Buffer> {
  if (EventStream instanceof Readable) return EventStream;
  throw new Error('SubscribeToShard returned no event stream.');
}

function startingPosition(position: Position): StartingPosition {
  switch (position.kind) {
    case 'trim_horizon':
      return { Type: 'TRIM_HORIZON' };
    case 'time':
      return { Type: 'AT_TIMESTAMP', Timestamp: new Date(position.ms) };
    case 'at':
      return { Type: 'AT_SEQUENCE_NUMBER', SequenceNumber: position.sequenceNumber };
    default:
      return position satisfies never;
  }
}
