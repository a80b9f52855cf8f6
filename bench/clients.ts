/** Runs each job once, by so many clients at a time. @returns latencies in ms, in the order of their ends */
export async function timeJobs(jobs: readonly (() => Promise<unknown>)[], clients: number): Promise<number[]> {
  const latencies: number[] = [];
  // One iterator for all: each client takes the next job that nobody has taken.
  const waiting = jobs.values();
  const client = async (): Promise<void> => {
    for (const job of waiting) {
      const begun = performance.now();
      await job();
      latencies.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return latencies;
}
