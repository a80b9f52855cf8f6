/**
 * Shares one run among all callers while it lasts and for `forMs` after it, so that probes and health checks of several Grafana servers do not
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
    const finish = (): void => {
      running = undefined;
      last = { result, until: now() + forMs };
    };
    result.then(finish, finish);
    return result;
  };
}
