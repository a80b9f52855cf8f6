import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { KclLeases } from './kcl-leases.ts';
import { LeaseProgram } from './kcl-program.ts';
import { createDynamoClient, LeaseTable, tableOf } from './lease-table.ts';
import type { ShardLeases } from './shard-leases.ts';

/** Where leases in DynamoDB are, and who asks for them. */
export interface LeasePlace {
  readonly stream: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly region: string | undefined;
  readonly endpoints: { readonly kinesis: string | undefined; readonly dynamodb: string | undefined };
  readonly failoverMs: number;
  readonly logger: Logger;
}

/** Beside backend/dist/, in a checkout and in the image; the program is one file there. */
const PROGRAM = fileURLToPath(new URL('../leases/', import.meta.url));

export function openKclLeases(url: URL, place: LeasePlace): ShardLeases {
  const { stream, env, region, endpoints, failoverMs, logger } = place;
  return new KclLeases({
    url: url.href,
    stream,
    table: new LeaseTable(url, createDynamoClient()),
    logger,
    start: (on) =>
      LeaseProgram.start({
        ...on,
        home: PROGRAM,
        env,
        stream,
        table: tableOf(url),
        // The host's name for whoever reads the table; the rest so that no two processes ever have one name.
        worker: `${hostname()}-${process.pid}-${randomUUID()}`,
        region: region ?? '',
        endpoints,
        failoverMs,
        logger,
      }),
  });
}
