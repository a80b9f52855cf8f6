import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserpulseError } from '../errors.ts';
import { flux, string } from '../flux/literals.ts';
import { JoinedReader, type JoinableQuestion } from './joined-reader.ts';

interface Script {
  readonly text: string;
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  readonly spentMs: number;
  /** A row of a result. */
  row(result: string, value: string): void;
  end(): void;
  fail(error: Error): void;
}

/** An InfluxDB whose scripts end when told to. */
class World {
  readonly scripts: Script[] = [];
  readonly joined: JoinedReader;

  constructor(mostStreams = 4) {
    this.joined = new JoinedReader({
      mostStreams,
      now: () => Date.now(),
      influx: {
        bytes: (script, onChunk, signal, spentMs = 0) =>
          new Promise((resolve, reject) => {
            const stop = signal ?? new AbortController().signal;
            stop.addEventListener('abort', () => reject(new UserpulseError('aborted', 'given up')), { once: true });
            this.scripts.push({
              text: script.text,
              names: [...script.text.matchAll(/yield\(name: "([^"]*)"\)/g)].map(([, name = '']) => name),
              signal: stop,
              spentMs,
              row: (result, value) => {
                try {
                  onChunk(Buffer.from(`,result,table,type,_value\r\n,${result},0,like,${value}\r\n\r\n`));
                } catch (error) {
                  reject(error instanceof Error ? error : new Error(String(error)));
                }
              },
              end: resolve,
              fail: reject,
            });
          }),
      },
    });
  }

  question(key: string, streams = 1, take?: (value: string) => void): JoinableQuestion & { readonly got: string[] } {
    const got: string[] = [];
    return {
      key,
      streams,
      got,
      script: (prefix) => flux`from() |> yield(name: ${string(`${prefix}${key}`)})`,
      begin: () => {
        got.length = 0;
        return (result, type) => (_, bytes, from, to) => {
          const value = Buffer.from(bytes.subarray(from, to)).toString();
          take?.(value);
          got.push(`${result} ${type} ${value}`);
          return value !== 'strange';
        };
      },
    };
  }

  ask(question: JoinableQuestion, signal?: AbortSignal) {
    const state = { outcome: 'waiting' };
    this.joined.ask(question, signal).then(
      () => (state.outcome = 'answered'),
      (error: unknown) => (state.outcome = error instanceof UserpulseError ? error.code : String(error)),
    );
    return state;
  }
}

// Turns of the event loop are real ones: of faked ones each would take a millisecond.
beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => vi.useRealTimers());
/** So many ms, and then turns until what was asked is sent. */
async function turn(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  for (let n = 0; n < 5; n++) await setImmediate();
}

/** Two scripts that run. */
async function busy(world: World): Promise<void> {
  for (const key of ['x', 'y']) {
    world.ask(world.question(key));
    await turn();
  }
  expect(world.scripts).toHaveLength(2);
}

describe('questions', () => {
  it('that are asked in one turn go into one script, and each gets its own rows', async () => {
    const world = new World();
    const [a, b] = [world.question('a'), world.question('b')];
    const states = [world.ask(a), world.ask(b)];
    await turn();
    expect(world.scripts.map(({ names }) => names)).toEqual([['0/a', '1/b']]);
    world.scripts[0]?.row('1/b', '7');
    world.scripts[0]?.row('0/a', '5');
    world.scripts[0]?.end();
    await turn();
    expect(states).toEqual([{ outcome: 'answered' }, { outcome: 'answered' }]);
    expect([a.got, b.got]).toEqual([['a like 5'], ['b like 7']]);
    expect(world.joined.counts).toEqual({ questions: 2, scripts: 1 });
  });

  it('that are asked one turn after the other go into one script', async () => {
    const world = new World();
    for (const key of ['a', 'b', 'c']) {
      world.ask(world.question(key));
      await setImmediate();
    }
    await turn();
    expect(world.scripts.map(({ names }) => names)).toEqual([['0/a', '1/b', '2/c']]);
  });

  it('that keep coming do not wait for each other once they fill a script', async () => {
    const world = new World();
    for (let n = 0; n < 5; n++) {
      world.ask(world.question(String(n)));
      await setImmediate();
    }
    expect(world.scripts.map(({ names }) => names)).toEqual([['0/0', '1/1', '2/2', '3/3']]);
  });

  it('that are alone are asked as they are', async () => {
    const world = new World();
    world.ask(world.question('a'));
    await turn();
    expect(world.scripts.map(({ names }) => names)).toEqual([['a']]);
  });

  it('wait while two scripts run, until one of them ends', async () => {
    const world = new World();
    await busy(world);
    for (const key of ['a', 'b', 'c']) {
      world.ask(world.question(key));
      await turn(1);
    }
    expect(world.scripts).toHaveLength(2);
    world.scripts[0]?.end();
    await turn(1);
    expect(world.scripts[2]?.names).toEqual(['0/a', '1/b', '2/c']);
  });

  it('wait for a bounded time, and that time is part of theirs', async () => {
    const world = new World();
    await busy(world);
    world.ask(world.question('a'));
    await turn(9);
    expect(world.scripts).toHaveLength(2);
    await turn(1);
    expect(world.scripts[2]).toMatchObject({ names: ['a'], spentMs: 10 });
  });

  it('do not wait for more than go into a script', async () => {
    const world = new World();
    await busy(world);
    for (const key of ['a', 'b', 'c', 'd', 'e']) world.ask(world.question(key));
    await turn(1);
    expect(world.scripts.slice(2).map(({ names }) => names)).toEqual([['0/a', '1/b', '2/c', '3/d']]);
  });

  it('of many streams have a script of their own, at once', async () => {
    const world = new World();
    await busy(world);
    world.ask(world.question('large', 4));
    expect(world.scripts[2]?.names).toEqual(['large']);
  });

  it('each have their own script where nothing is joined', () => {
    const world = new World(1);
    for (const key of ['a', 'b', 'c']) world.ask(world.question(key));
    expect(world.scripts.map(({ names }) => names)).toEqual([['a'], ['b'], ['c']]);
  });
});

describe('a script of several questions', () => {
  async function two(world: World, take?: (value: string) => void) {
    const [a, b] = [world.question('a', 1, take), world.question('b')];
    const [leaveA, leaveB] = [new AbortController(), new AbortController()];
    const states = [world.ask(a, leaveA.signal), world.ask(b, leaveB.signal)];
    await turn();
    return { a, b, states, leaveA, leaveB, shared: world.scripts[0]! };
  }

  it('that fails is asked anew, question by question, so that each gets its own end', async () => {
    const world = new World();
    const { a, b, states, shared } = await two(world);
    shared.row('0/a', '5');
    shared.fail(new UserpulseError('query_failed', 'one of them'));
    await turn();
    expect(world.scripts.slice(1).map(({ names }) => names)).toEqual([['a'], ['b']]);
    world.scripts[1]?.row('a', '6');
    world.scripts[1]?.end();
    world.scripts[2]?.fail(new UserpulseError('influx_not_found', 'b alone'));
    await turn();
    expect(states).toEqual([{ outcome: 'answered' }, { outcome: 'influx_not_found' }]);
    // Nothing of the first attempt is left.
    expect([a.got, b.got]).toEqual([['a like 6'], []]);
  });

  it('that takes long is given up for scripts of their own, which have what is left of the time', async () => {
    const world = new World();
    const { states, shared } = await two(world);
    await turn(2_000);
    expect(shared.signal.aborted).toBe(true);
    expect(world.scripts.slice(1)).toMatchObject([
      { names: ['a'], spentMs: 2_000 },
      { names: ['b'], spentMs: 2_000 },
    ]);
    world.scripts[1]?.end();
    await turn();
    expect(states).toEqual([{ outcome: 'answered' }, { outcome: 'waiting' }]);
  });

  it('goes on where one of its callers leaves, and ends where all do', async () => {
    const world = new World();
    const { b, states, leaveA, leaveB, shared } = await two(world);
    leaveA.abort();
    shared.row('0/a', '5');
    shared.row('1/b', '7');
    await turn();
    expect(states).toEqual([{ outcome: 'aborted' }, { outcome: 'waiting' }]);
    expect(b.got).toEqual(['b like 7']);
    expect(shared.signal.aborted).toBe(false);
    leaveB.abort();
    expect(shared.signal.aborted).toBe(true);
    await turn();
    expect(world.scripts).toHaveLength(1);
  });

  it('lets a question fail alone that cannot take its rows', async () => {
    const world = new World();
    const { b, states, shared } = await two(world, () => {
      throw new UserpulseError('bad_request', 'too many series');
    });
    shared.row('0/a', '5');
    shared.row('0/a', '6');
    shared.row('1/b', '7');
    shared.end();
    await turn();
    expect(states).toEqual([{ outcome: 'bad_request' }, { outcome: 'answered' }]);
    expect(b.got).toEqual(['b like 7']);
    expect(world.scripts).toHaveLength(1);
  });

  it('is asked anew where a row is none', async () => {
    const world = new World();
    const { shared } = await two(world);
    shared.row('0/a', 'strange');
    await turn();
    expect(world.scripts.slice(1).map(({ names }) => names)).toEqual([['a'], ['b']]);
  });
});

it('what took long is asked alone the next time, until it is quick', async () => {
  const world = new World();
  for (const [ms, names] of [
    [60, ['0/a', '1/b']],
    [60, ['a']],
    [5, ['a']],
    [5, ['0/a', '1/b']],
  ] as const) {
    for (const key of ['a', 'b']) world.ask(world.question(key));
    await turn();
    const running = world.scripts.splice(0);
    expect(running[0]?.names).toEqual(names);
    await turn(ms);
    for (const script of running) script.end();
    await turn();
  }
});

it('who has left while waiting is not asked about', async () => {
  const world = new World();
  await busy(world);
  const leave = new AbortController();
  const state = world.ask(world.question('a'), leave.signal);
  leave.abort();
  await turn(20);
  expect(state).toEqual({ outcome: 'aborted' });
  expect(world.scripts).toHaveLength(2);
  const gone = world.ask(world.question('b'), leave.signal);
  await turn(20);
  expect([gone, world.scripts.length]).toEqual([{ outcome: 'aborted' }, 2]);
});
