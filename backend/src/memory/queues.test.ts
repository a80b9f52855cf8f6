import fc from 'fast-check';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Fifo, ListFifo, ResolvedPrefix } from './queues.ts';

describe('Fifo', () => {
  it('gives back what was pushed, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer(), { nil: undefined }), { maxLength: 500 }), (steps) => {
        const fifo = new Fifo<number>();
        const model: number[] = [];
        for (const step of steps) {
          if (step === undefined) expect(fifo.shift()).toBe(model.shift());
          else {
            fifo.push(step);
            model.push(step);
          }
          expect(fifo.size).toBe(model.length);
          expect(fifo.first).toBe(model[0]);
        }
      }),
    );
  });

  it('keeps nothing that has left', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const fifo = new Fifo<object>();
    const left = ((): WeakRef<object> => {
      for (let n = 0; n < 10; n++) fifo.push({ n });
      return new WeakRef(fifo.shift() ?? {});
    })();
    // A WeakRef is held until the end of the job that made it.
    return new Promise<void>((resolve) => setTimeout(resolve, 0)).then(() => {
      collect();
      expect(left.deref()).toBeUndefined();
      expect(fifo.size).toBe(9);
    });
  });
});

describe('ListFifo', () => {
  it('gives back the items of what was pushed, in order, and lets go of a list with its last item', () => {
    const step = fc.option(fc.array(fc.integer(), { maxLength: 5 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const fifo = new ListFifo<readonly number[]>();
        const model: number[] = [];
        for (const each of steps) {
          if (each === undefined) {
            fifo.shift();
            model.shift();
          } else {
            fifo.push(each);
            model.push(...each);
          }
          expect(fifo.size).toBe(model.length);
          expect(fifo.list?.[fifo.at]).toBe(model[0]);
        }
        const left: (number | undefined)[] = [];
        fifo.clear((list, at) => left.push(list[at]));
        expect(left).toEqual(model);
        expect(fifo.size).toBe(0);
      }),
    );
  });
});

describe('ResolvedPrefix', () => {
  it('lets nothing leave past something unresolved', () => {
    const prefix = new ResolvedPrefix<string>();
    const [a, b, c] = ['a', 'b', 'c'].map((v) => prefix.add(v));
    expect(prefix.resolve(b!)).toEqual([]);
    expect(prefix.oldest).toBe('a');
    expect(prefix.resolve(a!)).toEqual(['a', 'b']);
    expect(prefix.size).toBe(1);
    expect(prefix.resolve(c!)).toEqual(['c']);
    expect(prefix.oldest).toBeUndefined();
  });

  it('lets everything leave exactly once and in order, whatever the order of resolving', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.infiniteStream(fc.nat()), (values, choices) => {
        const prefix = new ResolvedPrefix<number>();
        const open = values.map((_, n) => prefix.add(n));
        const left: number[] = [];
        const resolved = new Set<number>();
        while (open.length > 0) {
          const [ticket] = open.splice(choices.next().value! % open.length, 1);
          resolved.add(ticket!.value);
          left.push(...prefix.resolve(ticket!));
          let longest = 0;
          while (resolved.has(longest)) longest++;
          expect(left).toEqual(Array.from({ length: longest }, (_, n) => n));
        }
        expect(prefix.size).toBe(0);
      }),
    );
  });

  it('refuses to resolve twice', () => {
    const prefix = new ResolvedPrefix<string>();
    const ticket = prefix.add('a');
    prefix.resolve(ticket);
    expect(() => prefix.resolve(ticket)).toThrow();
  });
});
