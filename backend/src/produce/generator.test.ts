import { describe, expect, it } from 'vitest';
import { decodeRecord, type DecodedItem } from '../event/decode.ts';
import type { InteractionEvent } from '../event/event.ts';
import { Generator, type Generated, type GeneratorOptions } from './generator.ts';
import { userId } from './population.ts';
import { seededRandom, zipf } from './random.ts';

const START = Date.UTC(2026, 0, 31, 12);

const generate = (count: number, options: Partial<GeneratorOptions> = {}): Generated[] => {
  const generator = new Generator({
    users: 10_000,
    shares: 1_000,
    types: ['like', 'comment', 'follow'],
    invalid: 0,
    repeats: 0,
    seed: 7,
    startMs: START,
    ...options,
  });
  return Array.from({ length: count }, (_, n) => generator.next(START + n));
};

const decode = (generated: Generated, n: number): DecodedItem =>
  decodeRecord({ data: generated.record.data, approximateArrivalMs: START + n }, { maxAheadMs: 600_000 }).items[0]!;

const eventsOf = (generated: readonly Generated[]): InteractionEvent[] =>
  generated.map((each, n) => {
    const item = decode(each, n);
    if (item.kind !== 'event') throw new Error(item.reason);
    return item.event;
  });

describe('Generator', () => {
  it('makes events that keep the contract, each with an id of its own, none in the future', () => {
    const events = eventsOf(generate(5_000));
    expect(new Set(events.map((event) => event.eventId)).size).toBe(5_000);
    events.forEach((event, n) => expect(event.occurredAtMs).toBeLessThanOrEqual(START + n));
    const late = events.filter((event, n) => event.occurredAtMs < START + n).length;
    expect(late).toBeGreaterThan(40);
    expect(late).toBeLessThan(200);
  });

  it('makes exactly the fraction asked for invalid, of many kinds, each with its own reason', () => {
    const generated = generate(5_000, { invalid: 0.2 });
    const codes = new Set<string>();
    generated.forEach((each, n) => {
      const item = decode(each, n);
      expect(item.kind).toBe(each.record.kind === 'invalid' ? 'rejection' : 'event');
      if (item.kind === 'rejection') codes.add(item.code);
    });
    const invalid = generated.filter(({ record }) => record.kind === 'invalid').length;
    expect(invalid / 5_000).toBeCloseTo(0.2, 1);
    expect(codes.size).toBeGreaterThanOrEqual(8);
    expect(generate(100, { invalid: 1 }).every(({ record }) => record.kind === 'invalid')).toBe(true);
  });

  it('repeats earlier events byte for byte', () => {
    const generated = generate(2_000, { repeats: 0.1 });
    const originals = new Set(
      generated
        .filter(({ record }) => record.kind === 'event')
        .map(({ record }) => Buffer.from(record.data).toString()),
    );
    const repeats = generated.filter(({ record }) => record.kind === 'repeat');
    expect(repeats.length / 2_000).toBeCloseTo(0.1, 1);
    for (const { record } of repeats) expect(originals).toContain(Buffer.from(record.data).toString());
  });

  it('gives the same interactions for the same seed and start, and other event ids for another start', () => {
    const text = (generated: readonly Generated[]) =>
      generated.map(({ record }) => Buffer.from(record.data).toString());
    expect(text(generate(100))).toEqual(text(generate(100)));
    expect(text(generate(100))).not.toEqual(text(generate(100, { seed: 8 })));
    expect(generate(1, { startMs: START + 1 })[0]!.fields.eventId).not.toBe(generate(1)[0]!.fields.eventId);
  });

  it('has few busy users, unequal types, ids beyond 2^53, and shares made before they are liked', () => {
    const events = eventsOf(generate(20_000));
    const tally = (values: readonly string[]) => {
      const counts = new Map<string, number>();
      for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
      return [...counts.values()].sort((a, b) => b - a);
    };
    const actors = tally(events.map((event) => event.actorId));
    expect(actors[0]! / 20_000).toBeGreaterThan(0.01);
    expect(actors.length).toBeGreaterThan(3_000);
    const types = tally(events.map((event) => event.type));
    expect(types).toHaveLength(3);
    expect(types[0]!).toBeGreaterThan(types[2]! * 2);
    expect(events.some((event) => BigInt(event.actorId) > 2n ** 53n)).toBe(true);
    for (const { shareId } of events) {
      if (shareId === undefined) continue;
      const madeMs = Number.parseInt(shareId.slice(0, 8), 16) * 1000;
      expect(madeMs).toBeLessThanOrEqual(START);
      expect(madeMs).toBeGreaterThan(START - 8 * 86_400_000);
    }
  });
});

describe('userId', () => {
  it('is another valid id for each rank', () => {
    const ids = new Set<string>();
    for (let rank = 1; rank <= 100_000; rank++) ids.add(userId(rank));
    expect(ids.size).toBe(100_000);
    for (const id of ids) expect(id).toMatch(/^[1-9]\d{0,18}$/);
  });
});

describe('zipf', () => {
  it.each([0.8, 1.2])('draws ranks in proportion to rank^-%d', (s) => {
    const draws = 200_000;
    const n = 50;
    const draw = zipf(n, s, seededRandom(3));
    const counts = new Array<number>(n + 1).fill(0);
    for (let i = 0; i < draws; i++) {
      const rank = draw();
      counts[rank] = (counts[rank] ?? 0) + 1;
    }
    let total = 0;
    for (let k = 1; k <= n; k++) total += k ** -s;
    for (let k = 1; k <= n; k++) {
      const expected = (draws * k ** -s) / total;
      expect(Math.abs(counts[k]! - expected)).toBeLessThan(6 * Math.sqrt(expected));
    }
  });
});
