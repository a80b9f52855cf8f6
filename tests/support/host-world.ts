import type { InteractionEvent } from '../../backend/src/event/event.ts';
import { identityOf } from '../../backend/src/schema/identity.ts';
import { pointsOf, renderLine } from '../../backend/src/schema/points.ts';
import { OffsetTable } from '../../backend/src/schema/offsets.ts';
import type { BucketRole, Schema } from '../../backend/src/schema/buckets.ts';
import { findHiggsFile, readHiggsLines } from '../../tools/higgs.ts';
import { childEnvironment, startLocalParts } from '../../tools/parts/index.ts';
import { freePorts } from '../../tools/parts/ports.ts';
import { writeLines, type InfluxAccess } from '../../tools/stores.ts';
import { runCommand, startService } from '../../tools/userpulse.ts';

const TYPES = { RT: 'retweet', MT: 'mention', RE: 'reply' } as const;
export const USERS = ['88', '677'] as const;
/** The week of the file: 1 to 7 July 2012, UTC. */
export const WEEK = { from: Date.UTC(2012, 6, 1), to: Date.UTC(2012, 6, 8) } as const;

const DEFAULTS: Schema = {
  buckets: {
    made: 'interactions_made',
    received: 'interactions_received',
    share: 'interactions_share',
    total: 'interactions_total',
  },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};

const HASHED = { by: 'hash', length: 3 } as const;
const TEXT: Schema = {
  ...DEFAULTS,
  ids: { user: 'text', share: 'text' },
  userPrefix: HASHED,
  sharePrefix: HASHED,
};

/** An id of the file as a text that Grafana, an address or Flux could take for something else. */
export const textUser = (id: string): string => `did:plc:${id}/a+b@c|d`;
const textShare = (id: string): string => `at://${id}=`;

/** `actor receiver second type` as in the Higgs file. Where the file is not at hand, lines of the same form and the same question. */
function lines(): string[] {
  const file = findHiggsFile();
  if (file !== undefined) return readHiggsLines(file);
  return Array.from(
    { length: 20_000 },
    (_, n) =>
      `${1000 + (n % 997)} ${USERS[n % 2] ?? '88'} ${WEEK.from / 1000 + n * 30} ${['RT', 'MT', 'RE'][n % 3] ?? 'RT'}`,
  );
}

/** What the two users received: the events that are in InfluxDB here. */
export const events: readonly InteractionEvent[] = lines().flatMap((line): InteractionEvent[] => {
  const [actor = '', receiver = '', second = '', kind = ''] = line.split(' ');
  if (!(USERS as readonly string[]).includes(receiver)) return [];
  const hour = Number(second) - (Number(second) % 3600);
  return [
    {
      eventId: line,
      type: TYPES[kind as keyof typeof TYPES],
      occurredAtMs: Number(second) * 1000,
      actorId: actor,
      receiverId: receiver,
      shareId: kind === 'MT' ? undefined : hour.toString(16).padStart(8, '0') + receiver.padStart(16, '0'),
    },
  ];
});

/** What `user` received of `type` in each hour of the week: the answer that every part of the chain has to give. */
export function hourly(user: string, type: string): number[] {
  const hours = new Array<number>((WEEK.to - WEEK.from) / 3_600_000).fill(0);
  for (const event of events) {
    const hour = Math.floor((event.occurredAtMs - WEEK.from) / 3_600_000);
    if (event.receiverId === user && event.type === type && hours[hour] !== undefined) hours[hour] += 1;
  }
  return hours;
}

const asText = (event: InteractionEvent): InteractionEvent => ({
  ...event,
  actorId: textUser(event.actorId),
  receiverId: event.receiverId && textUser(event.receiverId),
  shareId: event.shareId && textShare(event.shareId),
});

async function write(influx: InfluxAccess, text: boolean): Promise<void> {
  const schema = text ? TEXT : DEFAULTS;
  const table = new OffsetTable({ capacity: 1 << 18 });
  const batches: Record<BucketRole, string[]> = { made: [], received: [], share: [], total: [] };
  for (const event of text ? events.map(asText) : events) {
    const identity = identityOf(event);
    for (const point of pointsOf(event, schema))
      batches[point.role].push(renderLine(point, table.assign(point, identity).offsetNs));
  }
  for (const [role, all] of Object.entries(batches) as [BucketRole, string[]][]) {
    for (let at = 0; at < all.length; at += 10_000) {
      await writeLines(influx, schema.buckets[role], all.slice(at, at + 10_000));
    }
  }
}

export interface World {
  readonly backendUrl: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stop: () => Promise<void>;
}

export const STREAM = 'host';

/**
 * Real influxd and Kinesis API server with the two users' events, and the built backend answering for them.
 * @param text whether ids are text: {@link textUser}
 */
export async function startWorld({ text = false } = {}): Promise<World> {
  const parts = await startLocalParts({ influx: true, kinesis: true });
  try {
    const [port = 0] = await freePorts(1);
    const backendUrl = `http://127.0.0.1:${port}`;
    const env = childEnvironment(process.env, {
      ...parts.env,
      USERPULSE_STREAM: STREAM,
      USERPULSE_ARCHIVE: `file://${parts.dir}/archive`,
      USERPULSE_CHECKPOINT: `file://${parts.dir}/checkpoint`,
      USERPULSE_LISTEN: `127.0.0.1:${port}`,
      USERPULSE_LOG_LEVEL: 'warn',
      ...(text && { USERPULSE_USER_ID: 'text', USERPULSE_SHARE_ID: 'text' }),
    });
    await runCommand(['setup', '--create'], env);
    await write(parts.influx, text);
    const service = await startService({ root: parts.dir, url: backendUrl, env });
    return {
      backendUrl,
      env,
      stop: async () => {
        await service.stop();
        await parts.stop();
      },
    };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}
