import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeStreamSummaryCommand, UpdateShardCountCommand } from '@aws-sdk/client-kinesis';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import type { IngestProcess } from '../support/ingest-process.ts';
import { testEvents } from '../support/ingest-world.ts';
import { eventually, kinesis, parts, partsEnv } from '../support/parts.ts';
import { archiveObjects } from '../support/stored.ts';
import { FAILOVER_MS, WorkersWorld, type LeaseItem } from '../support/workers-world.ts';

/** Objects take so long (ms) that a kill often falls between the range that is stored and its objects. */
const SLOW_PUT_MS = 250;
const EVENTS_PER_RECORD = 5;
/** KCL looks every two failover times whether a worker is to have more. */
const QUIET_MS = 4 * FAILOVER_MS;

interface Worker {
  readonly process: IngestProcess;
  /** Ended by the campaign: nobody is to wonder. */
  killed: boolean;
}

/** One stream, several workers, and what is done to them. Every scenario runs under traffic and leaves all workers running. */
export class WorkersCampaign {
  readonly w: WorkersWorld;
  readonly #dynamodb: FaultyProxy;
  readonly #s3: FaultyProxy;
  readonly #random: () => number;
  readonly #workers: Worker[] = [];
  readonly #all: Worker[] = [];
  /** Time from a kill until every lease of the killed worker has another owner, ms. */
  readonly takeOverMs: number[] = [];
  /** Ranges that were stored and not advanced when their worker was killed, and that another worker has been given. */
  readonly redone: { readonly shardId: string; readonly first: string; readonly last: string }[] = [];

  private constructor(w: WorkersWorld, dynamodb: FaultyProxy, s3: FaultyProxy, random: () => number) {
    this.w = w;
    this.#dynamodb = dynamodb;
    this.#s3 = s3;
    this.#random = random;
  }

  static async create(shards: number, random: () => number): Promise<WorkersCampaign> {
    const [dynamodb, s3] = await Promise.all([
      FaultyProxy.start(partsEnv()['AWS_ENDPOINT_URL_DYNAMODB'] ?? ''),
      FaultyProxy.start(parts().s3.endpoint),
    ]);
    s3.add({ kind: 'slow PUT', match: ({ method }) => method === 'PUT', action: { kind: 'delay', ms: SLOW_PUT_MS } });
    const w = await WorkersWorld.create({
      shards,
      archive: 's3',
      env: {
        AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url,
        AWS_ENDPOINT_URL_S3: s3.url,
        USERPULSE_ARCHIVE_MAX_AGE_MS: '500',
      },
    });
    return new WorkersCampaign(w, dynamodb, s3, random);
  }

  async end(): Promise<void> {
    await this.w.end();
    await Promise.all([this.#dynamodb.close(), this.#s3.close()]);
  }

  start(count: number): void {
    for (let n = 0; n < count; n++) {
      const worker = { process: this.w.worker(), killed: false };
      this.#workers.push(worker);
      this.#all.push(worker);
    }
  }

  /** Does the work while events keep coming in. */
  async underTraffic<T>(eventsPerSecond: number, work: () => Promise<T>): Promise<T> {
    const done = new AbortController();
    const traffic = (async () => {
      while (!done.signal.aborted) {
        await this.w.world.putAggregated(testEvents(Math.ceil(eventsPerSecond / 4)), EVENTS_PER_RECORD);
        await sleep(250);
      }
    })();
    try {
      return await work();
    } finally {
      done.abort();
      await traffic;
    }
  }

  /** Until every shard that is read has an owner who lives. */
  async untilAllOwned(timeoutMs = 120_000): Promise<void> {
    let seen: readonly LeaseItem[] = [];
    await eventually(
      async () => {
        seen = await this.#open();
        const living = this.#workers.map(({ process }) => process);
        return seen.length > 0 && seen.every(({ owner }) => living.some((one) => isOf(owner, one)));
      },
      { what: 'every lease to have an owner who lives', timeoutMs, intervalMs: 100 },
    ).catch((error: unknown) => {
      throw new Error(`The leases are ${JSON.stringify(seen)}.`, { cause: error });
    });
  }

  /** Until each worker has its share, so that none takes leases of another any more. */
  async untilOwnedByAll(): Promise<void> {
    const workers = this.#workers.length;
    await this.w.untilOwned(workers, workers);
    const shares = async (): Promise<string> =>
      (await this.#open()).map(({ shardId, owner }) => `${shardId} ${owner ?? ''}`).join();
    for (let before = ''; before !== (before = await shares());) await sleep(QUIET_MS);
  }

  async #open(): Promise<readonly LeaseItem[]> {
    return (await this.w.leases()).filter(({ checkpoint }) => checkpoint !== 'SHARD_END');
  }

  /** Kills a worker, where it can be in the middle of writing a sealed range, and starts another. */
  async kill(): Promise<void> {
    const victim = this.#any();
    await sleep(this.#random() * 2_000);
    let pending: readonly LeaseItem[] = [];
    for (let tries = 0; tries < 100 && pending.length === 0; tries++) {
      pending = (await this.#open()).filter(
        ({ owner, state }) => isOf(owner, victim.process) && (state?.pending ?? null) !== null,
      );
    }
    await this.#kill(victim);
    const killedMs = Date.now();
    this.start(1);
    await this.untilAllOwned();
    this.takeOverMs.push(Date.now() - killedMs);
    const given = this.#workers.map(({ process }) => process.log).join('\n');
    for (const { shardId, state } of pending) {
      const range = state?.pending;
      if (range && given.includes(`"shardId":"${shardId}"`)) this.redone.push({ shardId, ...range });
    }
  }

  /** How many of {@link redone} are in the archive as one object or more, under just that range. */
  async redoneAsTheyWere(): Promise<number> {
    const keys: string[] = [];
    for await (const [key] of archiveObjects(this.w.world.archive)) keys.push(key);
    return this.redone.filter(({ shardId, first, last }) =>
      keys.some((key) => key.includes(`${shardId}-${first}-${last}`)),
    ).length;
  }

  /** The JVM alone is killed. @returns how long its Node process has lived on, ms */
  async killJvm(): Promise<number> {
    const victim = this.#any();
    const jvm = await childOf(victim.process);
    this.#forget(victim);
    const killedMs = Date.now();
    process.kill(jvm, 'SIGKILL');
    await victim.process.exit;
    const livedMs = Date.now() - killedMs;
    this.start(1);
    await this.untilAllOwned();
    return livedMs;
  }

  /** The Node process alone is killed. @returns how long its JVM has lived on, ms */
  async killNode(): Promise<number> {
    const victim = this.#any();
    const jvm = await childOf(victim.process);
    await this.#kill(victim);
    const killedMs = Date.now();
    await eventually(() => !isAlive(jvm), { what: 'the end of the JVM', timeoutMs: 30_000, intervalMs: 10 });
    const livedMs = Date.now() - killedMs;
    this.start(1);
    await this.untilAllOwned();
    return livedMs;
  }

  /** A machine that stands still for longer than the failover, in the middle of whatever it does, and goes on. */
  async suspend(): Promise<void> {
    const victim = this.#any();
    const jvm = await childOf(victim.process);
    const pids = [victim.process.pid ?? 0, jvm];
    for (let tries = 0; tries < 100; tries++) {
      const sealing = (await this.#open()).some(
        ({ owner, state }) => isOf(owner, victim.process) && (state?.pending ?? null) !== null,
      );
      if (sealing) break;
    }
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      await eventually(async () => !(await this.#open()).some(({ owner }) => isOf(owner, victim.process)), {
        what: 'others to take the leases of a worker that stands still',
        timeoutMs: 60_000,
        intervalMs: 100,
      });
      await sleep(1_000);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await sleep(3_000);
    await this.untilAllOwned();
  }

  /** DynamoDB cannot be reached. */
  async dynamodbAway(ms: number): Promise<void> {
    await this.#dynamodb.down('DynamoDB away');
    await sleep(ms);
    await this.#dynamodb.up();
    await this.untilAllOwned(180_000);
  }

  async updateShardCount(count: number): Promise<void> {
    const StreamName = this.w.world.stream;
    await kinesis().send(
      new UpdateShardCountCommand({ StreamName, TargetShardCount: count, ScalingType: 'UNIFORM_SCALING' }),
    );
    await eventually(
      async () => {
        const { StreamDescriptionSummary: now } = await kinesis().send(
          new DescribeStreamSummaryCommand({ StreamName }),
        );
        return now?.StreamStatus === 'ACTIVE' && now.OpenShardCount === count;
      },
      { what: `${count} open shards`, timeoutMs: 30_000 },
    );
    await eventually(async () => (await this.#open()).length === count, {
      what: `${count} leases of open shards`,
      timeoutMs: 180_000,
      intervalMs: 250,
    });
    await this.untilAllOwned();
  }

  /** Each worker in turn gets SIGTERM, but for the last: the others take what it had. */
  async stopOneByOne(): Promise<void> {
    while (this.#workers.length > 1) {
      const [worker] = this.#workers;
      if (worker !== undefined) await this.#stop(worker);
      await this.untilAllOwned();
    }
  }

  /** Each worker in turn is replaced, as in a rolling deploy. KCL lets a new worker take leases that others hold, to have its share. */
  async rollingDeploy(): Promise<void> {
    for (const worker of [...this.#workers]) {
      this.start(1);
      await this.#stop(worker);
      await this.untilAllOwned();
    }
  }

  async #stop(worker: Worker): Promise<void> {
    this.#forget(worker);
    const { code } = await worker.process.stop();
    if (code !== 0)
      throw new Error(`A worker ended with exit code ${String(code)} after SIGTERM.\n${worker.process.log}`);
  }

  /** All that was put is durable, and every worker has ended by SIGTERM. @returns records read by all workers that were not killed */
  async drain(): Promise<number> {
    await this.w.untilDurable(180_000);
    for (const worker of this.#workers.splice(0)) {
      worker.killed = true;
      await worker.process.stop();
    }
    return this.#all.reduce((all, { process: { log } }) => {
      const records = /"records":(\d+),"msg":"Everything that was read is written/.exec(log)?.[1];
      return all + Number(records ?? 0);
    }, 0);
  }

  /** What workers said who ended though nobody had asked them to. */
  get unexpectedEnds(): string[] {
    return this.#all
      .filter(({ process: { ended }, killed }) => ended !== undefined && !killed)
      .map(({ process: { log } }) => log.slice(-2_000));
  }

  /** A worker that runs. */
  anyProcess(): IngestProcess {
    return this.#any().process;
  }

  #any(): Worker {
    const worker = this.#workers[Math.floor(this.#random() * this.#workers.length)];
    if (worker === undefined) throw new Error('No worker runs.');
    return worker;
  }

  async #kill(worker: Worker): Promise<void> {
    this.#forget(worker);
    worker.process.kill('SIGKILL');
    await worker.process.exit;
  }

  #forget(worker: Worker): void {
    worker.killed = true;
    this.#workers.splice(this.#workers.indexOf(worker), 1);
  }
}

/** A worker's name holds the id of its process. */
const isOf = (owner: string | undefined, { pid }: IngestProcess): boolean =>
  pid !== undefined && (owner ?? '').includes(`-${pid}-`);

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** The lease program of a worker. */
export async function childOf({ pid }: IngestProcess): Promise<number> {
  let found: number | undefined;
  await eventually(
    () => {
      found = childrenOf(pid ?? 0).find((child) =>
        readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('userpulse.leases.Main'),
      );
      return found !== undefined;
    },
    { what: 'the lease program of a worker', timeoutMs: 30_000 },
  );
  return found ?? 0;
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
