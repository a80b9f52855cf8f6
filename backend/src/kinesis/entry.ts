import { aggregate, hashOfPartitionKey, type UserRecord } from '../event/kpl.ts';

/** A user record to send: the JSON text as a producer would write it, and the key that decides its shard. */
export interface Outgoing {
  readonly data: Uint8Array;
  readonly partitionKey: string;
  /** What it is meant to be. A repeated event is valid but adds no point. */
  readonly kind: 'event' | 'repeat' | 'invalid';
}

/** Numbers of user records, by what they are meant to be. */
export interface Counts {
  readonly events: number;
  readonly repeats: number;
  readonly invalid: number;
}

/** One entry of a PutRecords call. */
export interface Entry {
  readonly data: Uint8Array;
  readonly partitionKey: string;
  readonly explicitHashKey: string | undefined;
  /** The user records in it. */
  readonly counts: Counts;
}

export const NOTHING: Counts = { events: 0, repeats: 0, invalid: 0 };

export const addCounts = (a: Counts, b: Counts): Counts => ({
  events: a.events + b.events,
  repeats: a.repeats + b.repeats,
  invalid: a.invalid + b.invalid,
});

export const recordsIn = (counts: Counts): number => counts.events + counts.repeats + counts.invalid;

const countsOf = ({ kind }: Outgoing): Counts => ({
  events: kind === 'event' ? 1 : 0,
  repeats: kind === 'repeat' ? 1 : 0,
  invalid: kind === 'invalid' ? 1 : 0,
});

/** Turns user records into entries. */
export interface Packer {
  /** Adds a record. Returns the entries that are full by now. */
  add(record: Outgoing): readonly Entry[];
  /** Everything not returned yet. */
  rest(): readonly Entry[];
}

/** One entry per user record. */
export const plainPacker: Packer = {
  add: (record) => [
    { data: record.data, partitionKey: record.partitionKey, explicitHashKey: undefined, counts: countsOf(record) },
  ],
  rest: () => [],
};

/** The last hash key (0 to 2^128-1) of each open shard, ascending. */
export type ShardEnds = readonly bigint[];

/** The Kinesis Producer Library's defaults are 51,200 bytes and no limit of records; these bounds are of the same order. */
export const AGGREGATE_MAX_RECORDS = 400;
export const AGGREGATE_MAX_BYTES = 100_000;

/**
 * Many user records per entry, as the Kinesis Producer Library does it: records that hash into one shard go together, with partition key "a" and
 * the hash key of the first as explicit hash key. So each user record is in the shard of its own key, unless the stream is resharded
 * during the run.
 */
export class AggregatingPacker implements Packer {
  readonly #ends: ShardEnds;
  readonly #open: OpenAggregate[];

  constructor(ends: ShardEnds) {
    this.#ends = ends;
    this.#open = ends.map(() => emptyAggregate());
  }

  add(record: Outgoing): readonly Entry[] {
    const hash = hashOfPartitionKey(record.partitionKey);
    const index = this.#ends.findIndex((end) => hash <= end);
    const into = this.#open[index === -1 ? this.#open.length - 1 : index];
    if (into === undefined) return plainPacker.add(record);
    const full =
      into.records.length >= AGGREGATE_MAX_RECORDS ||
      (into.records.length > 0 && into.bytes + record.data.length > AGGREGATE_MAX_BYTES)
        ? [close(into)]
        : [];
    if (into.records.length === 0) into.hashKey = hash.toString();
    into.records.push({ data: record.data, partitionKey: record.partitionKey });
    into.bytes += record.data.length;
    into.counts = addCounts(into.counts, countsOf(record));
    return full;
  }

  rest(): readonly Entry[] {
    return this.#open.filter(({ records }) => records.length > 0).map(close);
  }
}

interface OpenAggregate {
  records: UserRecord[];
  bytes: number;
  hashKey: string;
  counts: Counts;
}

const emptyAggregate = (): OpenAggregate => ({ records: [], bytes: 0, hashKey: '0', counts: NOTHING });

/** Returns the entry, and empties the aggregate. */
function close(open: OpenAggregate): Entry {
  const entry: Entry = {
    data: aggregate(open.records).data,
    partitionKey: 'a',
    explicitHashKey: open.hashKey,
    counts: open.counts,
  };
  Object.assign(open, emptyAggregate());
  return entry;
}
