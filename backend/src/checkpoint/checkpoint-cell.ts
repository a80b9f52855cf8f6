import type { Logger } from 'pino';
import { UserpulseError } from '../errors.ts';
import { clause } from '../format.ts';
import { OutageLog, retrying } from '../retry.ts';
import type { Clock } from '../clock.ts';
import type { ShardCheckpoint } from './checkpoint.ts';

export interface SaveContext {
  /** For messages: where the checkpoint is. */
  readonly url: string;
  readonly clock: Clock;
  /** Aborted when draining takes too long. */
  readonly signal: AbortSignal;
  readonly outage: OutageLog;
  readonly onRetry: (reason: string) => void;
}

export const checkpointOutage = (logger: Logger, clock: Clock): OutageLog => new OutageLog('checkpoint', logger, clock);

/** Saves, and retries until it works: a full disk stops progress, not the process. */
export async function saveDurably(context: SaveContext, save: () => Promise<void>): Promise<void> {
  // Files are saved one by one: that another one works does not end the outage of this one.
  const part = Symbol();
  await retrying(save, {
    clock: context.clock,
    signal: context.signal,
    classify: (error) => {
      if (error instanceof UserpulseError) return { kind: 'give_up' };
      const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
      return {
        kind: 'retry',
        reason: code.toLowerCase(),
        message: `The checkpoint ${context.url} (USERPULSE_CHECKPOINT) cannot be written: ${clause(error instanceof Error ? error.message : String(error))}.`,
      };
    },
    onRetry: (verdict) => {
      context.outage.failed(verdict.reason, verdict.message, part);
      context.onRetry(verdict.reason);
    },
  });
  context.outage.succeeded(part);
}

/**
 * The checkpoint of one shard, in memory and on its way to the store. Changes apply at once and in order; a save writes the latest value, so
 * that several changes may share one write. A value is only set once it may be stored, so a later one never says less than an earlier one.
 */
export class CheckpointCell {
  readonly #context: SaveContext;
  readonly #save: (value: ShardCheckpoint) => Promise<void>;
  #value: ShardCheckpoint;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** @param save resolves when the value is durable; see {@link CheckpointStore.saveShard} and {@link ShardLease.save} */
  constructor(value: ShardCheckpoint, context: SaveContext, save: (value: ShardCheckpoint) => Promise<void>) {
    this.#value = value;
    this.#save = save;
    this.#context = context;
  }

  get value(): ShardCheckpoint {
    return this.#value;
  }

  /** Resolves when this change, and every earlier one, is durable. */
  update(change: (value: ShardCheckpoint) => ShardCheckpoint): Promise<void> {
    this.#value = change(this.#value);
    // A running write may have begun before this change; the next one has not.
    if (this.#running === undefined) return (this.#running = this.#write());
    return (this.#next ??= this.#running.then(
      () => this.#takeTurn(),
      () => this.#takeTurn(),
    ));
  }

  #takeTurn(): Promise<void> {
    this.#next = undefined;
    return (this.#running = this.#write());
  }

  async #write(): Promise<void> {
    try {
      await saveDurably(this.#context, () => this.#save(this.#value));
    } finally {
      if (this.#next === undefined) this.#running = undefined;
    }
  }
}
