import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { errorOf } from '../check.ts';
import { streamTarget } from '../checks/targets.ts';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { createKinesisClient } from '../kinesis/client.ts';
import { deregisterConsumer, registerConsumer as register, type ConsumerName } from '../kinesis/consumer.ts';
import { streamFailure } from '../kinesis/stream-check.ts';
import type { CommandContext, RegisterCommand } from './context.ts';
import { sayProxies } from './proxies.ts';

export const registerConsumer: RegisterCommand = (program, context) => {
  const consumer = program
    .command('consumer')
    .summary('register or deregister the consumer that reads by fan-out')
    .description(
      'With USERPULSE_READ=fanout, Kinesis pushes records to a consumer that is registered on the stream. It costs money per hour and shard for as long\n' +
        'as it is registered, whether or not an ingest runs.',
    )
    .addHelpText(
      'after',
      `
Environment:
  USERPULSE_STREAM                           Kinesis stream
  USERPULSE_CONSUMER                         name of the consumer on it; default userpulse
  AWS_REGION, AWS_ENDPOINT_URL_KINESIS and AWS credentials`,
    );
  consumer
    .command('register')
    .description('Registers the consumer, and waits until ingest can use it. Does nothing where it is registered.')
    .action(() =>
      withStream(context, async (kinesis, name) => {
        const { registered } = await register(kinesis, name, { clock: systemClock, signal: context.stop });
        context.stdout.write(
          `Consumer ${name.consumer} ${registered ? 'is registered' : 'was registered before'} on stream ${name.stream}.\n`,
        );
      }),
    );
  consumer
    .command('deregister')
    .description(
      'Deregisters the consumer, and waits until it is gone. An ingest that reads by it can read nothing more.',
    )
    .action(() =>
      withStream(context, async (kinesis, name) => {
        const { deregistered } = await deregisterConsumer(kinesis, name, { clock: systemClock, signal: context.stop });
        context.stdout.write(
          `Consumer ${name.consumer} ${deregistered ? 'is deregistered' : 'was not registered'} on stream ${name.stream}.\n`,
        );
      }),
    );
};

async function withStream(
  context: CommandContext,
  run: (kinesis: KinesisClient, name: ConsumerName) => Promise<void>,
): Promise<void> {
  sayProxies(context);
  const config = context.config(['stream', 'consumer']);
  const kinesis = createKinesisClient();
  try {
    await run(kinesis, config);
  } catch (error) {
    if (error instanceof UserpulseError || context.stop.aborted) throw error;
    throw errorOf(streamFailure(streamTarget(config, context.aws), error), error);
  } finally {
    kinesis.destroy();
  }
}
