import { describe, expect, it } from 'vitest';
import type { ShardInfo } from '../kinesis/stream-source.ts';
import { decideShards, type ShardProgress } from './shard-schedule.ts';

const shard = (shardId: string, ...parents: string[]): ShardInfo => ({
  shardId,
  parents,
  hashRange: { start: 0n, end: 1n },
});
const decide = (listed: readonly ShardInfo[], progress: Record<string, ShardProgress> = {}) => {
  const { start, ...rest } = decideShards(listed, new Map(Object.entries(progress)));
  return { start: start.map((s) => s.shardId), ...rest };
};
const nothing = { start: [], waiting: [], forget: [], lost: [] };

describe('decideShards', () => {
  it('starts original shards at once, and children only after their parent', () => {
    const listed = [shard('a'), shard('b'), shard('a1', 'a'), shard('a2', 'a')];
    expect(decide(listed)).toEqual({ ...nothing, start: ['a', 'b'], waiting: ['a1', 'a2'] });
    expect(decide(listed, { a: 'reading', b: 'reading' })).toEqual({ ...nothing, waiting: ['a1', 'a2'] });
    expect(decide(listed, { a: 'done', b: 'reading' })).toEqual({ ...nothing, start: ['a1', 'a2'] });
  });

  it('waits for both parents of a merge', () => {
    const listed = [shard('a'), shard('b'), shard('m', 'a', 'b')];
    expect(decide(listed, { a: 'done', b: 'reading' }).waiting).toEqual(['m']);
    expect(decide(listed, { a: 'reading', b: 'done' }).waiting).toEqual(['m']);
    expect(decide(listed, { a: 'done', b: 'done' }).start).toEqual(['m']);
  });

  it('reads a closed shard that nobody has read before its children, however many generations there are', () => {
    const listed = [shard('a'), shard('b', 'a'), shard('c', 'b')];
    expect(decide(listed)).toEqual({ ...nothing, start: ['a'], waiting: ['b', 'c'] });
    expect(decide(listed, { a: 'done' })).toEqual({ ...nothing, start: ['b'], waiting: ['c'] });
    expect(decide(listed, { a: 'done', b: 'done' }).start).toEqual(['c']);
  });

  it('does not wait for a parent that the stream has forgotten', () => {
    expect(decide([shard('b', 'a')]).start).toEqual(['b']);
    expect(decide([shard('m', 'a', 'b'), shard('b')]).waiting).toEqual(['m']);
  });

  it('waits for a parent that is listed no more but still being read', () => {
    expect(decide([shard('b', 'a')], { a: 'reading' })).toEqual({ ...nothing, waiting: ['b'] });
  });

  it('goes on with an unfinished shard after a restart, and leaves finished ones alone', () => {
    expect(decide([shard('a'), shard('b')], { a: 'unread', b: 'done' })).toEqual({ ...nothing, start: ['a'] });
  });

  it('forgets finished shards that are listed no more, and reports unfinished ones as lost', () => {
    expect(decide([shard('c', 'a', 'b')], { a: 'done', b: 'unread' })).toEqual({
      ...nothing,
      start: ['c'],
      forget: ['a'],
      lost: ['b'],
    });
  });
});
