/**
 * Shares one run among all who ask while it lasts, and for `forMs` after: probes and health pages of several Grafana servers must not
 * multiply into calls of every dependency.
 */
export function cached<T>(run: () => Promise<T>, forMs: number, now: () => number = Date.now): () => Promise<T> {
  let last: { readonly result: Promise<T>; readonly until: number } | undefined;
  let running: Promise<T> | undefined;
  return () => {
    if (running !== undefined) return running;
    if (last !== undefined && now() < last.until) return last.result;
    const result = run();
    running = result;
    const settle = (): void => {
      running = undefined;
      last = { result, until: now() + forMs };
    };
    result.then(settle, settle);
    return result;
  };
}
