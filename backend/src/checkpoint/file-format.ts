import { z } from 'zod';
import {
  shardCheckpointSchema,
  streamCheckpointSchema,
  type ShardCheckpoint,
  type StreamCheckpoint,
} from './checkpoint.ts';

/*
 * How a checkpoint is written to a file: as JSON with the version of its format. Parsed strictly, because what is not understood must not be
 * guessed at; files of earlier versions are read, and written in the latest version with the next save.
 */

const { pending, relocations, ...unchanged } = shardCheckpointSchema.shape;
const stream = z.string().min(1);

const shardFile = z.discriminatedUnion('version', [
  z.strictObject({ version: z.literal(2), stream, ...shardCheckpointSchema.shape }),
  /** Until 0.1: other names, and gzip everywhere. */
  z.strictObject({
    version: z.literal(1),
    stream,
    ...unchanged,
    sealed: pending.unwrap().omit({ codec: true }).nullable(),
    moved: z.array(relocations.element.omit({ offsetNs: true }).extend({ slot: relocations.element.shape.offsetNs })),
  }),
]);

const streamFile = z.strictObject({ version: z.literal(1), ...streamCheckpointSchema.shape });

/** @throws Error where the text is not a file that {@link writeShard} or an earlier version has written */
export function readShard(text: string): { readonly stream: string; readonly checkpoint: ShardCheckpoint } {
  const file = shardFile.parse(JSON.parse(text));
  switch (file.version) {
    case 2: {
      const { version: _version, stream, ...checkpoint } = file;
      return { stream, checkpoint };
    }
    case 1: {
      const { version: _version, stream, sealed, moved, ...rest } = file;
      const pending = sealed === null ? null : { ...sealed, codec: 'gzip' as const };
      const relocations = moved.map(({ slot, ...relocation }) => ({ ...relocation, offsetNs: slot }));
      return { stream, checkpoint: { ...rest, pending, relocations } };
    }
    default:
      return file satisfies never;
  }
}

export const writeShard = (stream: string, checkpoint: ShardCheckpoint): string =>
  json({ version: 2, stream, ...checkpoint });

/** @throws Error as {@link readShard} */
export function readStream(text: string): StreamCheckpoint {
  const { version: _version, ...checkpoint } = streamFile.parse(JSON.parse(text));
  return checkpoint;
}

export const writeStream = (checkpoint: StreamCheckpoint): string => json({ version: 1, ...checkpoint });

const releaseFile = z.strictObject({
  version: z.literal(1),
  stream,
  shardId: z.string().min(1),
  untilMs: z.number().int(),
});

/** An operator's word that records of a shard that arrived until then (ms) may be rejected. @throws Error as {@link readShard} */
export const readRelease = (text: string): Omit<z.output<typeof releaseFile>, 'version'> => {
  const { version: _version, ...release } = releaseFile.parse(JSON.parse(text));
  return release;
};

export const writeRelease = (stream: string, shardId: string, untilMs: number): string =>
  json({ version: 1, stream, shardId, untilMs });

const json = (content: object): string => `${JSON.stringify(content, null, 1)}\n`;
