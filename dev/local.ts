import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { countSample } from '../tests/e2e/sample.ts';
import { countTotal } from '../tools/demo/tally.ts';
import { runCommand, startProducer, startService } from '../tools/userpulse.ts';
import { childEnvironment, startLocalParts } from '../tools/parts/index.ts';
import type { Progress } from '../tools/progress.ts';
import { freePorts, LOOPBACK } from '../tools/parts/ports.ts';

const STALL_MS = 120_000;
/** As in docker-compose.yml. */
export const LOCAL_TOKEN = 'userpulse-local-api-token';

export interface LocalUserpulse {
  readonly url: string;
  readonly token: string;
  /** Temporary folder, removed at the end. */
  readonly dir: string;
  /** Process of `userpulse start`. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** The built backend on local servers, with a sample of past events ingested, and generated ones that go on arriving. */
export async function startLocalUserpulse(sample: string, progress: Progress): Promise<LocalUserpulse> {
  const parts = await startLocalParts({ influx: true, kinesis: true, s3: true }, progress);
  const ending: (() => Promise<void>)[] = [() => parts.stop()];
  const stop = async (): Promise<void> => {
    for (const end of ending.splice(0).reverse()) await end();
  };
  try {
    const [port = 0] = await freePorts(1);
    const url = `http://${LOOPBACK}:${port}`;
    const env = childEnvironment(process.env, {
      ...parts.env,
      USERPULSE_STREAM: 'userpulse-local',
      USERPULSE_ARCHIVE: 's3://userpulse-local/events',
      USERPULSE_CHECKPOINT: pathToFileURL(join(parts.dir, 'checkpoint')).href,
      USERPULSE_LISTEN: `${LOOPBACK}:${port}`,
      USERPULSE_API_TOKEN: LOCAL_TOKEN,
      USERPULSE_LOG_LEVEL: 'warn',
    });
    await runCommand(['setup', '--create'], env);
    const service = await startService({ root: parts.dir, url, env });
    ending.push(() => service.stop());

    const { events } = await countSample(sample);
    progress.line(`Sending ${events} events of ${sample} …`);
    await runCommand(['produce', '--aggregate', '--file', sample], env);
    const deadline = Date.now() + STALL_MS;
    while ((await countTotal(parts.influx)) < events) {
      if (Date.now() > deadline)
        throw new Error(`The sample has not reached InfluxDB in ${STALL_MS / 1_000} s. ${service.tail()}`);
      await sleep(500);
    }
    const producer = await startProducer(parts.dir, ['--aggregate', '--rate', '30', '--users', '500'], env);
    ending.push(() => producer.stop());
    return { url, token: LOCAL_TOKEN, dir: parts.dir, pid: service.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
