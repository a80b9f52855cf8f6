const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * One character a window. A window without events is a blank dot, so that "nothing" and "little" look different. Of more values than
 * `width` the last ones are shown, of fewer all.
 */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const max = Math.max(0, ...shown);
  return shown
    .map((value) => {
      if (value <= 0 || max === 0) return '·';
      return BARS[Math.min(BARS.length - 1, Math.ceil((value / max) * BARS.length) - 1)];
    })
    .join('');
}
