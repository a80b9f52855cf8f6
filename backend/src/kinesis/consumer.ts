import {
  DeregisterStreamConsumerCommand,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  RegisterStreamConsumerCommand,
  type ConsumerDescription,
  type KinesisClient,
} from '@aws-sdk/client-kinesis';
import { awsFailure } from '../aws/failure.ts';
import type { Clock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { Semaphore } from '../semaphore.ts';
import { call, SourceError } from './stream-source.ts';

/** A consumer of a stream, by its name on it: Kinesis sends what SubscribeToShard asks for to registered consumers only. */
export interface ConsumerName {
  readonly stream: string;
  /** USERPULSE_CONSUMER */
  readonly consumer: string;
}

/** @returns undefined where none of that name is registered. @throws the SDK's errors */
export async function findConsumer(
  kinesis: KinesisClient,
  { stream, consumer }: ConsumerName,
  signal: AbortSignal,
): Promise<ConsumerDescription | undefined> {
  const StreamARN = await streamArn(kinesis, stream, signal);
  try {
    const { ConsumerDescription } = await kinesis.send(
      new DescribeStreamConsumerCommand({ StreamARN, ConsumerName: consumer }),
      { abortSignal: signal },
    );
    return ConsumerDescription;
  } catch (error) {
    if (awsFailure(error).kind === 'not_found') return undefined;
    throw error;
  }
}

async function streamArn(kinesis: KinesisClient, stream: string, signal: AbortSignal): Promise<string> {
  const { StreamDescriptionSummary } = await kinesis.send(new DescribeStreamSummaryCommand({ StreamName: stream }), {
    abortSignal: signal,
  });
  if (StreamDescriptionSummary?.StreamARN === undefined) throw new Error(`Stream "${stream}" has no ARN.`);
  return StreamDescriptionSummary.StreamARN;
}

/** How to get one that is missing. */
export const REGISTER_HINT = '"userpulse consumer register" registers it; or correct USERPULSE_CONSUMER.';

export const missingText = ({ stream, consumer }: ConsumerName): string =>
  `Consumer "${consumer}" (USERPULSE_CONSUMER) is not registered on stream "${stream}" (USERPULSE_STREAM).`;

/** The ARN under which shards are subscribed to. It changes when a consumer is registered anew under its name. */
export class StreamConsumer {
  readonly #client: KinesisClient;
  readonly #name: ConsumerName;
  /** One look at a time: all shards begin at once. */
  readonly #looks = new Semaphore(1);
  #arn: string | undefined;

  constructor(client: KinesisClient, name: ConsumerName) {
    this.#client = client;
    this.#name = name;
  }

  /** @throws SourceError, also where the consumer is not there or not ready: somebody can register it while ingest waits */
  async arn(signal: AbortSignal): Promise<string> {
    return this.#arn ?? this.#looks.run(async () => (this.#arn ??= await this.#find(signal)), signal);
  }

  async #find(signal: AbortSignal): Promise<string> {
    const found = await call(signal, () => findConsumer(this.#client, this.#name, signal));
    if (found?.ConsumerARN === undefined) {
      throw new SourceError('unavailable', `${missingText(this.#name)} ${REGISTER_HINT}`);
    }
    if (found.ConsumerStatus !== 'ACTIVE') {
      throw new SourceError(
        'in_use',
        `Consumer "${this.#name.consumer}" (USERPULSE_CONSUMER) is ${found.ConsumerStatus ?? 'not ready'}.`,
      );
    }
    return found.ConsumerARN;
  }

  /**
   * Kinesis has not found something.
   * @param arn that was used
   * @throws SourceError where that is the consumer
   */
  async verify(arn: string, signal: AbortSignal): Promise<void> {
    if (this.#arn === arn) this.#arn = undefined;
    const now = await this.arn(signal);
    if (now !== arn) {
      throw new SourceError('in_use', `Consumer "${this.#name.consumer}" (USERPULSE_CONSUMER) was registered anew.`);
    }
  }
}

/** AWS takes seconds. */
const CHANGE_MS = 120_000;
const POLL_MS = 500;

/**
 * Registers a consumer unless it is, and waits until it can be used.
 * @returns whether this call registered it
 * @throws UserpulseError stream_unreachable where it does not become active; the SDK's errors
 */
export async function registerConsumer(
  kinesis: KinesisClient,
  name: ConsumerName,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<{ readonly registered: boolean }> {
  let registered = false;
  const deadline = clock.now() + CHANGE_MS;
  for (;;) {
    const found = await findConsumer(kinesis, name, signal);
    if (found?.ConsumerStatus === 'ACTIVE') return { registered };
    if (found === undefined && !registered) {
      const StreamARN = await streamArn(kinesis, name.stream, signal);
      try {
        await kinesis.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: name.consumer }), {
          abortSignal: signal,
        });
        registered = true;
      } catch (error) {
        // Somebody else was faster, or the stream is changing.
        if (!(error instanceof Error) || error.name !== 'ResourceInUseException') throw error;
      }
    }
    if (clock.now() >= deadline) throw notYet(name, found?.ConsumerStatus ?? 'not visible');
    await clock.sleep(POLL_MS, signal);
  }
}

/**
 * Deregisters a consumer, and waits until it is gone. Nobody can be subscribed with it any more, and it costs nothing.
 * @returns whether there was one
 * @throws UserpulseError stream_unreachable where it stays; the SDK's errors
 */
export async function deregisterConsumer(
  kinesis: KinesisClient,
  name: ConsumerName,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<{ readonly deregistered: boolean }> {
  let deregistered = false;
  const deadline = clock.now() + CHANGE_MS;
  for (;;) {
    const found = await findConsumer(kinesis, name, signal);
    if (found === undefined) return { deregistered };
    if (!deregistered && found.ConsumerStatus !== 'DELETING') {
      await kinesis.send(new DeregisterStreamConsumerCommand({ ConsumerARN: found.ConsumerARN }), {
        abortSignal: signal,
      });
      deregistered = true;
    }
    if (clock.now() >= deadline) throw notYet(name, found.ConsumerStatus ?? 'there');
    await clock.sleep(POLL_MS, signal);
  }
}

const notYet = ({ consumer }: ConsumerName, state: string): UserpulseError =>
  new UserpulseError(
    'stream_unreachable',
    `Consumer "${consumer}" (USERPULSE_CONSUMER) is still ${state} after ${CHANGE_MS / 1000} s.`,
    { hint: 'Run the command again in a minute.' },
  );
