import { unlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/parts.ts';
import type { Action, FaultyProxy, Rule, SeenRequest } from '../support/faulty-proxy.ts';
import type { CheckpointInstant, FaultyWorld } from './faulty-world.ts';

export const AREAS = ['InfluxDB', 'S3', 'Kinesis', 'checkpoint', 'ingest', 'stream'] as const;
export type Area = (typeof AREAS)[number];

/** A kind of fault, as the tests, the long run and its table name it. */
export interface FaultKind {
  readonly area: Area;
  readonly name: string;
  /** Whether a process of ingest ends by it: such faults come one after the other, others may overlap. */
  readonly kills?: boolean;
  /**
   * Injects it once, while records come in. Resolves when the fault is over; what it hit may still be recovering.
   * @throws where it hit nothing: a fault that did not happen proves nothing
   */
  inject(world: FaultyWorld): Promise<void>;
}

export const isWrite = ({ method, path }: SeenRequest): boolean =>
  method === 'POST' && path.startsWith('/api/v2/write');
/** Of an archive object, and not of the check before ingest. */
export const isPut = ({ method, path }: SeenRequest): boolean => method === 'PUT' && !path.includes('/_probe/');
const isOperation =
  (...names: readonly string[]) =>
  ({ operation }: SeenRequest): boolean =>
    names.includes(operation);

/** So many requests in a row suffer it. */
async function times(proxy: FaultyProxy, rule: Rule & { readonly times: number }): Promise<void> {
  const before = proxy.injected.get(rule.kind) ?? 0;
  const remove = proxy.add(rule);
  try {
    await eventually(() => (proxy.injected.get(rule.kind) ?? 0) >= before + rule.times, {
      what: `${rule.times} × "${rule.kind}"`,
      timeoutMs: 60_000,
      intervalMs: 10,
    });
  } finally {
    remove();
  }
}

type Pick = (world: FaultyWorld) => FaultyProxy;
const influx: Pick = (w) => w.influx;
const s3: Pick = (w) => w.s3;
const stream: Pick = (w) => w.kinesis;

function requests(area: Area, proxy: Pick, name: string, match: Rule['match'], action: Action, count = 3): FaultKind {
  const kind = `${area}: ${name}`;
  return { area, name: kind, inject: (w) => times(proxy(w), { kind, match, action, times: count }) };
}

function outage(area: Area, proxy: Pick, ms: number): FaultKind {
  const name = `${area}: down`;
  return {
    area,
    name,
    inject: async (w) => {
      await proxy(w).down(name);
      await sleep(ms);
      await proxy(w).up();
    },
  };
}

const influxError = (code: string, message: string): string => JSON.stringify({ code, message });
const s3Error = (code: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
const awsError = (status: number, type: string): Action => ({
  kind: 'answer-alike',
  status,
  body: () => ({ __type: type, message: type }),
});
const answer = (status: number, body: string, headers: Record<string, string> = {}): Action => ({
  kind: 'answer',
  status,
  headers,
  body,
});
const reset = (when: Extract<Action, { kind: 'reset' }>['when']): Action => ({ kind: 'reset', when });
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const XML_TYPE = { 'content-type': 'application/xml' };

/** Ingest is killed while one of its requests is under way. */
function killDuring(
  proxy: Pick,
  name: string,
  match: Rule['match'],
  when: Extract<Action, { kind: 'hold' }>['when'],
): FaultKind {
  const kind = `kill -9: ${name}`;
  return {
    area: 'ingest',
    name: kind,
    kills: true,
    inject: async (w) => {
      let killed = false;
      const run = async (): Promise<void> => {
        await w.kill();
        killed = true;
      };
      await times(proxy(w), { kind, match, times: 1, action: { kind: 'hold', when, run } });
      await eventually(() => killed, { what: 'the kill', intervalMs: 5 });
    },
  };
}

/** Ingest ends at a random instant within so many ms. */
function endWithin(ms: number, name: string, end: (w: FaultyWorld) => Promise<unknown>): FaultKind {
  return {
    area: 'ingest',
    name,
    kills: true,
    inject: async (w) => {
      await sleep(w.random() * ms);
      await end(w);
      w.count(name);
    },
  };
}

function killAt(name: string, instant: CheckpointInstant): FaultKind {
  const kind = `kill -9: ${name}`;
  return {
    area: 'ingest',
    name: kind,
    kills: true,
    inject: async (w) => {
      await w.dieAt(instant, 1 + Math.floor(w.random() * 2));
      w.count(kind);
    },
  };
}

function spoiled(name: string, to: string, said: RegExp): FaultKind {
  const kind = `checkpoint: ${name}`;
  return {
    area: 'checkpoint',
    name: kind,
    inject: async (w) => {
      const links = new Set<string>();
      try {
        await eventually(
          async () => {
            // Again: where the stream is resharded meanwhile, the shards that are written are new.
            await w.spoilCheckpoints(to, links);
            return said.test(w.process.log);
          },
          { what: `${said.source} in the log`, intervalMs: 20 },
        );
        w.count(kind);
        await sleep(300);
      } finally {
        for (const link of links) await unlink(link);
      }
    },
  };
}

function reshard(name: string, change: (world: FaultyWorld) => Promise<void>): FaultKind {
  const kind = `stream: ${name}`;
  return {
    area: 'stream',
    name: kind,
    inject: async (w) => {
      await change(w);
      w.count(kind);
    },
  };
}

/** What can be injected at any time into a running ingest, any of it together with any other. */
export const KINDS: readonly FaultKind[] = [
  outage('InfluxDB', influx, 1_500),
  requests('InfluxDB', influx, 'slow', isWrite, { kind: 'delay', ms: 1_000 }),
  requests(
    'InfluxDB',
    influx,
    '429 with Retry-After',
    isWrite,
    answer(429, influxError('too many requests', 'busy'), { ...JSON_TYPE, 'retry-after': '1' }),
  ),
  requests(
    'InfluxDB',
    influx,
    '503 with Retry-After',
    isWrite,
    answer(503, influxError('unavailable', 'busy'), { ...JSON_TYPE, 'retry-after': '1' }),
  ),
  requests('InfluxDB', influx, '500', isWrite, answer(500, influxError('internal error', 'panic'), JSON_TYPE)),
  requests('InfluxDB', influx, 'reset before the write', isWrite, reset('before')),
  requests('InfluxDB', influx, 'reset half-way through the request', isWrite, reset('mid-request')),
  requests('InfluxDB', influx, 'reset after the write', isWrite, reset('after')),
  refusal('InfluxDB: 400 for one bad line', 'spoiled'),
  refusal('InfluxDB: 422, some points written', 'conflict'),

  outage('S3', s3, 1_500),
  requests('S3', s3, 'slow', isPut, { kind: 'delay', ms: 1_000 }),
  requests('S3', s3, '503 SlowDown', isPut, answer(503, s3Error('SlowDown'), XML_TYPE)),
  requests('S3', s3, '500 InternalError', isPut, answer(500, s3Error('InternalError'), XML_TYPE)),
  requests('S3', s3, '200 and not stored', isPut, answer(200, '')),
  requests('S3', s3, 'reset half-way through the body', isPut, reset('mid-request')),
  requests('S3', s3, 'reset after the write', isPut, reset('after')),

  outage('Kinesis', stream, 1_500),
  requests('Kinesis', stream, 'slow', isOperation('GetRecords'), { kind: 'delay', ms: 1_000 }),
  requests(
    'Kinesis',
    stream,
    'ProvisionedThroughputExceeded',
    isOperation('GetRecords', 'GetShardIterator'),
    awsError(400, 'ProvisionedThroughputExceededException'),
    5,
  ),
  requests('Kinesis', stream, 'ExpiredIterator', isOperation('GetRecords'), awsError(400, 'ExpiredIteratorException')),
  requests(
    'Kinesis',
    stream,
    'internal error',
    isOperation('GetRecords', 'GetShardIterator', 'ListShards'),
    awsError(500, 'InternalFailure'),
  ),
  requests(
    'Kinesis',
    stream,
    'empty pages',
    isOperation('GetRecords'),
    {
      kind: 'answer-alike',
      status: 200,
      body: ({ ShardIterator }) => ({ Records: [], NextShardIterator: ShardIterator, MillisBehindLatest: 1_000 }),
    },
    6,
  ),
  requests('Kinesis', stream, 'reset half-way through the answer', isOperation('GetRecords'), reset('mid-answer')),

  spoiled('disk full', '/dev/full', /cannot be written: ENOSPC/),
  // Nobody may write there, root included; and where there is no such file there is no folder for it either.
  spoiled('unwritable', '/sys/kernel/notes', /cannot be written: (EACCES|EROFS|EPERM|ENOENT)/),

  endWithin(2_000, 'kill -9: at a random instant', (w) => w.kill()),
  endWithin(500, 'SIGTERM: restart', (w) => w.restart()),
  killDuring(influx, 'points sent, none written', isWrite, 'before'),
  killDuring(influx, 'points half-way to InfluxDB', isWrite, 'half'),
  killDuring(influx, 'InfluxDB has answered, not noted', isWrite, 'after'),
  killDuring(s3, 'range recorded, no object written', isPut, 'before'),
  killDuring(s3, 'object half-way to S3', isPut, 'half'),
  killDuring(s3, 'object written, checkpoint not', isPut, 'after'),
  killAt('range half recorded', { what: 'pending', when: 'half' }),
  killAt('range not yet recorded', { what: 'pending', when: 'before' }),
  killAt('range just recorded', { what: 'pending', when: 'after' }),
  killAt('checkpoint half written', { what: 'durable', when: 'half' }),
  killAt('checkpoint not yet in place', { what: 'durable', when: 'before' }),
  killAt('checkpoint just written', { what: 'durable', when: 'after' }),

  reshard('split', (w) => w.split()),
  reshard('merge', async (w) => {
    if ((await w.openShards()).length < 2) await w.split();
    await w.merge();
  }),
  reshard('UpdateShardCount', async (w) => {
    const open = (await w.openShards()).length;
    // Kinesis goes no further down than to half in one step.
    await w.updateShardCount(open > 2 ? Math.max(2, Math.ceil(open / 2)) : open + 1);
  }),
];

/** Events of which InfluxDB refuses a point for good. */
function refusal(name: string, which: 'spoiled' | 'conflict'): FaultKind {
  return {
    area: 'InfluxDB',
    name,
    inject: async (w) => {
      await w.world.putBytes(w.traffic.refused(which, 3));
      await w.world.untilDurable();
      // The proxy counts the spoiled lines itself.
      if (which === 'conflict') w.count(name);
    },
  };
}
