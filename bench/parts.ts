import type { BenchPart } from './part.ts';

/** What one can measure. Loaded when it is its turn: one part's imports must not weigh on another. */
type Parts = Readonly<Record<string, () => Promise<BenchPart>>>;

/** Every part of `make bench`, in the order of docs/benchmarks.md. */
export const PARTS: Parts = {
  ingest: () => import('./ingest/part.ts').then((m) => m.part),
  query: () => import('./query/part.ts').then((m) => m.part),
  growth: () => import('./growth/part.ts').then((m) => m.part),
  dashboard: () => import('./dashboard/part.ts').then((m) => m.part),
  gateway: () => import('./gateway/part.ts').then((m) => m.part),
};

/** Studies behind a decision that has been made: run when they are named, and reported in docs/studies.md. */
export const STUDIES: Parts = {
  stores: () => import('./studies/stores/part.ts').then((m) => m.part),
  fanout: () => import('./studies/fanout/part.ts').then((m) => m.part),
  reach: () => import('./studies/reach/part.ts').then((m) => m.part),
  workers: () => import('./studies/workers/part.ts').then((m) => m.part),
  schemes: () => import('./studies/schemes/part.ts').then((m) => m.part),
};
