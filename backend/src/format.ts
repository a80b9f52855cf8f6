/* Numbers and durations as people read them. */

/** `12,345` */
export const formatNumber = (value: number): string => value.toLocaleString('en-US');

/** `1 line`, `2,000 lines` */
export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${formatNumber(n)} ${n === 1 ? one : many}`;

/** In one unit: `75000` → `75 s`, `150000` → `3 min` */
export const roughDuration = (ms: number): string =>
  ms < 120_000
    ? `${Math.round(ms / 1000)} s`
    : ms < 7_200_000
      ? `${Math.round(ms / 60_000)} min`
      : `${Math.round(ms / 3_600_000)} h`;
