import { UserpulseError } from '../errors.ts';

/** Another process has the lease of a shard. Nothing is wrong: that one goes on where this one has stored that it was. */
export class LeaseLostError extends UserpulseError {
  constructor(shardId: string, reason: string) {
    super('aborted', `The lease of ${shardId} is lost: ${reason}`);
  }
}
