import type { BenchPart } from './part.ts';

/** Every part of `make bench`, in the order of the report. Loaded when it is its turn: one part's imports must not weigh on another. */
export const PARTS: Readonly<Record<string, () => Promise<BenchPart>>> = {
  ingest: () => import('./ingest/part.ts').then((m) => m.part),
  query: () => import('./query/part.ts').then((m) => m.part),
  gateway: () => import('./gateway/part.ts').then((m) => m.part),
  stores: () => import('./stores/part.ts').then((m) => m.part),
  schemes: () => import('./schemes/part.ts').then((m) => m.part),
};
