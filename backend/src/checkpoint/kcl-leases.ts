import type { Logger } from 'pino';
import { systemClock } from '../clock.ts';
import { UserpulseError } from '../errors.ts';
import { freshCheckpoint, type ShardCheckpoint, type StreamCheckpoint } from './checkpoint.ts';
import { writeShard } from './file-format.ts';
import { FROM_PROGRAM, TO_PROGRAM, type Frame } from './kcl-frames.ts';
import type { LeaseProgram, LeaseProgramOptions } from './kcl-program.ts';
import { LeaseLostError } from './lease-lost.ts';
import type { LeaseTable } from './lease-table.ts';
import type { LeasedShard, ShardLease, ShardLeases } from './shard-leases.ts';

export interface KclLeasesOptions {
  readonly url: string;
  readonly stream: string;
  readonly table: LeaseTable;
  readonly start: (on: Pick<LeaseProgramOptions, 'onFrame' | 'onEnd'>) => Promise<LeaseProgram>;
  readonly logger: Logger;
}

/** What KCL writes for a lease that nobody has had. */
const UNTOUCHED = 'TRIM_HORIZON';
const OFFER_RETRY_MS = 1_000;

/**
 * Leases by the Kinesis Client Library. KCL decides who has which, renews and fences them; our checkpoint is the state of a checkpoint that stays
 * pending, so that each save is on condition of the lease, and whoever gets it next gets the state with it.
 */
export class KclLeases implements ShardLeases {
  readonly kind = 'leases';
  readonly url: string;
  readonly #options: KclLeasesOptions;
  readonly #leases = new Map<number, KclLease>();
  readonly #given: KclLease[] = [];
  #program: LeaseProgram | undefined;
  #ended: UserpulseError | undefined;
  #wake: () => void = () => undefined;

  constructor(options: KclLeasesOptions) {
    this.#options = options;
    this.url = options.url;
  }

  async open(proposed: StreamCheckpoint): Promise<StreamCheckpoint> {
    const { table, start } = this.#options;
    await table.prepare();
    await table.refuseMoved();
    const stored = await table.stream(proposed);
    this.#program = await start({
      onFrame: (frame) => this.#take(frame),
      onEnd: (error) => {
        this.#ended = error;
        for (const lease of this.#leases.values()) lease.lose('the lease program has ended');
        this.#leases.clear();
        this.#wake();
      },
    });
    return stored;
  }

  async *given(signal: AbortSignal): AsyncGenerator<ShardLease, void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!signal.aborted) {
        const lease = this.#given.shift();
        if (lease !== undefined) {
          yield lease;
          continue;
        }
        if (this.#ended !== undefined) throw this.#ended;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  releasedToMs(shardId: string): Promise<number> {
    return this.#options.table.releasedToMs(shardId);
  }

  async close(): Promise<void> {
    if (this.#ended === undefined) await this.#program?.stop();
  }

  #take({ type, handle, texts }: Frame): void {
    const lease = this.#leases.get(handle);
    switch (type) {
      case FROM_PROGRAM.given:
        void this.#receive(handle, texts);
        return;
      case FROM_PROGRAM.lost:
        lease?.lose('another process has taken it');
        this.#leases.delete(handle);
        return;
      case FROM_PROGRAM.wanted:
        // Only asked for after all that was read is durable: see close.
        this.#program?.send({ type: TO_PROGRAM.release, handle, texts: [] });
        return;
      case FROM_PROGRAM.ended:
        this.#leases.delete(handle);
        return;
      case FROM_PROGRAM.result:
        lease?.answer(texts[0] ?? '', texts[1] ?? '', texts[2] ?? '');
        return;
      default:
        throw new Error(`The lease program has sent a frame of type ${type}.`);
    }
  }

  async #receive(handle: number, texts: readonly string[]): Promise<void> {
    const [shardId = '', at = '', state = ''] = texts;
    const { stream, table, logger } = this.#options;
    const lease = new KclLease(shardId, {
      stream,
      send: (type, ...sent) => this.#program?.send({ type, handle, texts: sent }),
    });
    this.#leases.set(handle, lease);
    try {
      lease.checkpoint = this.#checkpointOf(shardId, at, state === '' ? await this.#offered(lease) : state);
      if (lease.lost.aborted) return;
      this.#given.push(lease);
      this.#wake();
    } catch (error) {
      // Kept, and not read: given back it would only end the next worker, and the next.
      logger.error(
        { err: error, shardId, table: table.table },
        `Shard ${shardId} is not read: its lease cannot be used.`,
      );
    }
  }

  /** What was moved here from a folder, for a lease that nobody has had; '' where nothing was. Tried until it works or the lease is lost. */
  async #offered({ shardId, lost }: KclLease): Promise<string> {
    const { table, logger } = this.#options;
    for (let tries = 0; !lost.aborted; tries++) {
      try {
        return (await table.offered(shardId)) ?? '';
      } catch (error) {
        if (tries === 0) logger.warn({ err: error, shardId }, 'What is known of a shard cannot be read. Trying again.');
        await systemClock.sleep(OFFER_RETRY_MS, lost).catch(() => undefined);
      }
    }
    return '';
  }

  #checkpointOf(shardId: string, at: string, state: string): ShardCheckpoint {
    const { stream, table } = this.#options;
    if (state !== '') return table.readState(stream, shardId, state);
    if (at === UNTOUCHED) return freshCheckpoint(shardId);
    throw new UserpulseError(
      'checkpoint_unusable',
      `The lease of ${shardId} in ${table.table} stands at ${at}, where Userpulse never puts one: the table belongs to another KCL application.`,
      { hint: 'Name a table of its own in USERPULSE_CHECKPOINT.' },
    );
  }
}

class KclLease implements ShardLease {
  readonly shardId: string;
  checkpoint: ShardCheckpoint;
  readonly #lost = new AbortController();
  readonly #stream: string;
  readonly #send: (type: number, ...texts: string[]) => void;
  readonly #waiting = new Map<string, { readonly resolve: () => void; readonly reject: (error: Error) => void }>();
  #asked = 0;

  constructor(
    shardId: string,
    to: { readonly stream: string; readonly send: (type: number, ...texts: string[]) => void },
  ) {
    this.shardId = shardId;
    this.checkpoint = freshCheckpoint(shardId);
    this.#stream = to.stream;
    this.#send = to.send;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  save(checkpoint: ShardCheckpoint): Promise<void> {
    this.lost.throwIfAborted();
    const id = String(++this.#asked);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send(TO_PROGRAM.save, id, writeShard(this.#stream, checkpoint));
    });
  }

  end(children: readonly LeasedShard[]): void {
    this.#send(
      TO_PROGRAM.end,
      ...children.flatMap(({ shardId, parents, hashRange }) => [
        shardId,
        parents.join(','),
        String(hashRange.start),
        String(hashRange.end),
      ]),
    );
  }

  answer(id: string, outcome: string, reason: string): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (outcome === 'saved') waiting?.resolve();
    else if (outcome === 'fenced') {
      waiting?.reject(new LeaseLostError(this.shardId, reason));
      this.lose(reason);
    } else waiting?.reject(Object.assign(new Error(reason), { code: 'dynamodb' }));
  }

  lose(reason: string): void {
    const error = new LeaseLostError(this.shardId, reason);
    this.#lost.abort(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
