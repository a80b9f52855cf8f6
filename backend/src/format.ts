/** A text as one sentence. What others wrote ends with a full stop, or with something else that ends a sentence, or with nothing. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?…:]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** A text of another program, to stand in a sentence: without white space and full stops at its end. */
export const clause = (text: string): string => text.trim().replace(/[.\s]+$/, '');

/** Sentences one after another; what is empty or undefined is left out. */
export const sentences = (...texts: readonly (string | undefined)[]): string =>
  texts
    .map((text) => sentence(text ?? ''))
    .filter((text) => text !== '')
    .join(' ');

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
