import type { Check, CheckDepth } from '../check.ts';
import type { CheckpointStore, HeldCheckpoints, StoredCheckpoints } from './checkpoint-store.ts';
import {
  checkpointFolderCheck,
  FileCheckpointStore,
  hasCheckpointFolder,
  holdCheckpointFolder,
  readCheckpointFolder,
  writeReleaseFile,
} from './file-checkpoints.ts';
import { hasLeases, holdLeases, leaseTableCheck, readLeases, writeReleaseItem } from './lease-checks.ts';
import { openKclLeases, type LeasePlace } from './open-leases.ts';
import type { ShardLeases } from './shard-leases.ts';

interface StoreKind {
  readonly open: (url: URL, place: LeasePlace) => CheckpointStore | ShardLeases;
  readonly exists: (url: URL) => Promise<boolean>;
  readonly hold: (url: URL, stream: string) => Promise<HeldCheckpoints>;
  readonly read: (url: URL, stream: string) => Promise<StoredCheckpoints>;
  readonly release: (url: URL, stream: string, shardId: string, untilMs: number) => Promise<void>;
  readonly check: (url: URL, depth: CheckDepth) => Check;
}

/** Kinds of stores, by the protocol of USERPULSE_CHECKPOINT (config.ts). */
const KINDS: Readonly<Record<string, StoreKind>> = {
  'file:': {
    open: (url) => new FileCheckpointStore(url),
    exists: hasCheckpointFolder,
    hold: holdCheckpointFolder,
    read: readCheckpointFolder,
    release: writeReleaseFile,
    check: checkpointFolderCheck,
  },
  'dynamodb:': {
    open: openKclLeases,
    exists: hasLeases,
    hold: holdLeases,
    read: readLeases,
    release: writeReleaseItem,
    check: leaseTableCheck,
  },
};

function kindOf(url: URL): StoreKind {
  const kind = KINDS[url.protocol];
  if (kind === undefined) throw new Error(`No checkpoints can be kept at ${url.href}.`);
  return kind;
}

/** The write side: a store for the one ingest that holds it, or leases for one of several. */
export const openCheckpoint = (url: URL, place: LeasePlace): CheckpointStore | ShardLeases =>
  kindOf(url).open(url, place);

/**
 * The read side: what ingest has stored, read without taking the store, while ingest may be running. Nothing is stored where there has been no
 * ingest yet.
 * @throws UserpulseError `checkpoint_unusable` where something in it cannot be read or belongs to another stream
 */
export const readCheckpoints = (url: URL, stream: string): Promise<StoredCheckpoints> => kindOf(url).read(url, stream);

/**
 * What ingest has stored, while none goes on with it: one that starts on the same folder meanwhile is refused.
 * @throws UserpulseError `checkpoint_locked` while ingest runs; as {@link readCheckpoints}
 */
export const holdCheckpoints = (url: URL, stream: string): Promise<HeldCheckpoints> => kindOf(url).hold(url, stream);

/** Whether there is a shard to read: whoever only reads needs no stream where there is none. @throws as {@link readCheckpoints} */
export const hasCheckpoints = (url: URL): Promise<boolean> => kindOf(url).exists(url);

/**
 * Lets a held shard go on, whether or not an ingest runs: records that arrived until then (ms) no longer hold it.
 * @throws UserpulseError `checkpoint_unusable` where it cannot be stored
 */
export const releaseShard = (url: URL, stream: string, shardId: string, untilMs: number): Promise<void> =>
  kindOf(url).release(url, stream, shardId, untilMs);

/** Whether several ingests share what is kept there. */
export const isShared = (url: URL): boolean => url.protocol === 'dynamodb:';

/** Can the checkpoint be written? */
export const checkpointCheck = (url: URL, depth: CheckDepth): Check => kindOf(url).check(url, depth);
