import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { UserpulseProcess } from '../../tools/userpulse.ts';
import { registerDoctor } from '../../backend/src/commands/doctor.ts';
import { runInProcess } from '../support/command.ts';
import { testEvents } from '../support/ingest-world.ts';
import { eventually, influxWrite, partsEnv, temporaryFolder, usePartsEnvironment } from '../support/parts.ts';
import { WorkersWorld } from '../support/workers-world.ts';

beforeAll(() => usePartsEnvironment());

const worlds: WorkersWorld[] = [];
const create = async (...options: Parameters<typeof WorkersWorld.create>): Promise<WorkersWorld> => {
  const made = await WorkersWorld.create(...options);
  worlds.push(made);
  return made;
};
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.end()));
});

describe('workers that share a stream', () => {
  it('read each record once between them, and one goes on where another has stopped', async () => {
    const w = await create({ shards: 4 });
    await w.world.put(testEvents(300));
    const first = w.worker();
    await w.untilOwned(4, 1);
    await w.world.put(testEvents(300));
    const second = w.worker();
    await w.untilOwned(4, 2);
    await w.world.put(testEvents(300));
    await w.untilDurable();
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    await w.untilOwned(4, 1);
    await w.world.put(testEvents(300));
    await w.untilDurable();
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    await w.world.expectExact();

    const yesterday = `${Math.floor(Date.now() / 86_400_000) * 86_400 - 3_600}`;
    await influxWrite(
      w.world.buckets.total,
      ['1', '2', '3'].map((n) => `interaction,type=like made=1i,received=2i,share="-" ${yesterday}00000000${n}`),
    );
    const look = await runInProcess(registerDoctor, ['doctor', '--json'], w.world.env(), {
      cwd: await temporaryFolder('doctor'),
    });
    expect(look.stdout).toMatch(
      /Of 3 events of \d{4}-\d\d-\d\d, so many are likely to lack a point until \\"userpulse repair\\"/,
    );
    expect(look.stdout).toContain(`less than 0.01 in ${w.world.buckets.total}`);
  }, 300_000);

  it('go on with the checkpoint of a folder, and give it back', async () => {
    const w = await create({ shards: 2 });
    const folder = pathToFileURL(join(await temporaryFolder('checkpoint'), 'of-one')).href;
    const alone = { USERPULSE_CHECKPOINT: folder };
    const untilStopped = async (env: Readonly<Record<string, string>> = {}): Promise<string> => {
      await w.world.put(testEvents(200));
      const worker = w.worker(env);
      await w.world.untilWritten(120_000);
      const { code } = await worker.stop();
      expect(code, worker.log).toBe(0);
      return worker.log;
    };
    await untilStopped(alone);
    const move = async (command: string): Promise<string> => {
      const moving = new UserpulseProcess(['leases', command, '--folder', folder], w.world.env());
      await moving.exit;
      return moving.stdout + moving.log;
    };
    expect(await move('import')).toMatch(/2 shards of file:.* are moved to dynamodb:/);

    const refused = w.worker(alone);
    expect((await refused.exit).code).toBe(1);
    expect(refused.log).toContain(`was moved to dynamodb://${w.table}`);

    const log = await untilStopped();
    expect(log).not.toContain('"after":null,"pending"');
    expect(await move('import')).toContain('was moved to');
    expect(await move('export')).toMatch(/2 shards of dynamodb:.* are moved to file:/);
    await untilStopped(alone);

    const late = w.worker();
    expect((await late.exit).code).toBe(1);
    expect(late.log).toContain('its checkpoint was moved to file:');
    await w.world.expectExact();
  }, 300_000);

  it('say what is missing where there is no Java, or one that is too old', async () => {
    const w = await create();
    const ended = async (JAVA_HOME: string): Promise<string> => {
      const worker = w.worker({ JAVA_HOME });
      expect((await worker.exit).code).toBe(1);
      return worker.log;
    };
    expect(await ended('/nowhere')).toMatch(/Java cannot be started .*Install Java 17 or newer.*file:\/\/\/DIR/);

    // What an old Java says is that of this machine's, but for the number.
    const old = await temporaryFolder('java');
    await mkdir(join(old, 'bin'));
    await writeFile(
      join(old, 'bin', 'java'),
      '#!/bin/sh\njava "$@" 2>&1 | sed "s/java.specification.version = .*/java.specification.version = 11/" >&2\n',
    );
    await chmod(join(old, 'bin', 'java'), 0o755);
    expect(await ended(old)).toMatch(/is Java 11.*Install Java 17 or newer/);
  });

  it('leave alone what another application has in the table', async () => {
    const w = await create();
    const { AWS_ENDPOINT_URL_DYNAMODB: endpoint = '', AWS_REGION: region = '' } = partsEnv();
    const dynamodb = new DynamoDBClient({ endpoint, region, credentials: { accessKeyId: 'x', secretAccessKey: 'x' } });
    await dynamodb.send(
      new CreateTableCommand({
        TableName: w.table,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'leaseKey', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'leaseKey', KeyType: 'HASH' }],
      }),
    );
    await eventually(
      () =>
        dynamodb
          .send(
            new PutItemCommand({
              TableName: w.table,
              Item: {
                leaseKey: { S: 'shardId-000000000000' },
                leaseCounter: { N: '3' },
                ownerSwitchesSinceCheckpoint: { N: '0' },
                checkpoint: { S: '49590338271490256608559692538361571095921575989136588898' },
                checkpointSubSequenceNumber: { N: '0' },
              },
            }),
          )
          .then(
            () => true,
            () => false,
          ),
      { what: 'the table' },
    );
    dynamodb.destroy();
    const worker = w.worker();
    await worker.says('the table belongs to another KCL application', 90_000);
    expect(worker.log).toContain('is not read');
    await worker.stop();
  }, 180_000);
});
