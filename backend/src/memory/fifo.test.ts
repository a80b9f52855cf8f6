import fc from 'fast-check';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Fifo } from './fifo.ts';

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
