import type { Recipe } from './events.ts';

const at = (day: string): number => Date.parse(`${day}T00:00:00Z`);

/** The ranges that are asked for, all within the year that ends last; the shorter ones lie in the busy week. */
export const YEAR_FROM = at('2025-07-01');
export const YEAR_TO = at('2026-07-01');
export const WEEK_FROM = at('2026-01-05');
export const WEEK_TO = at('2026-01-12');

/** A million users; ten million events in a week, and two million in the rest of the year. */
export const YEAR: Recipe = {
  users: 1_000_000,
  stretches: [
    { fromMs: YEAR_FROM, toMs: WEEK_FROM, events: 1_000_000 },
    { fromMs: WEEK_FROM, toMs: WEEK_TO, events: 10_000_000 },
    { fromMs: WEEK_TO, toMs: YEAR_TO, events: 1_000_000 },
  ],
};

/** The busy week in miniature, with nothing around it. */
export const QUICK_YEAR: Recipe = {
  users: 10_000,
  stretches: [{ fromMs: WEEK_FROM, toMs: WEEK_TO, events: 50_000 }],
};

/** The busy week alone, with so many events. */
export const weekOf = (events: number): Recipe => ({
  users: Math.min(1_000_000, events / 10),
  stretches: [{ fromMs: WEEK_FROM, toMs: WEEK_TO, events }],
});
