const WIDTH = 720;
const HEIGHT = 320;
const LEFT = 56;
const RIGHT = WIDTH - 16;
const TOP = 44;
const BOTTOM = HEIGHT - 44;

/** A second of the run. */
export interface Sample {
  /** s since the start of ingest */
  readonly at: number;
  /** MiB */
  readonly resident: number;
  /** MiB that ingest counts in its budget */
  readonly budget: number;
}

export interface MemoryCurve {
  readonly title: string;
  readonly samples: readonly Sample[];
  /** s: from when to when both sinks were down */
  readonly outage: readonly [from: number, to: number];
  /** MiB */
  readonly limit: number;
}

/** Memory over time as a small SVG: the outage shaded, the limit as a line that must not be reached. */
export function drawMemory({ title, samples, outage, limit }: MemoryCurve): string {
  const end = samples.at(-1)?.at ?? 1;
  const top = Math.max(limit, ...samples.map((sample) => sample.resident)) * 1.1;
  const x = (at: number): number => Math.round((LEFT + (at / end) * (RIGHT - LEFT)) * 10) / 10;
  const y = (mib: number): number => Math.round((BOTTOM - (mib / top) * (BOTTOM - TOP)) * 10) / 10;
  const line = (value: (sample: Sample) => number): string =>
    samples.map((sample, n) => `${n === 0 ? 'M' : 'L'}${x(sample.at)} ${y(value(sample))}`).join('');
  const label = (at: number, height: number, text: string, anchor = 'start', kind = ''): string =>
    `<text x="${at}" y="${height}" text-anchor="${anchor}" class="${kind}">${text}</text>`;
  const grid = Array.from({ length: Math.floor(top / 64) + 1 }, (_, n) => n * 64).flatMap((mib) => [
    `<path class="grid" d="M${LEFT} ${y(mib)}H${RIGHT}"/>`,
    label(LEFT - 6, y(mib) + 4, String(mib), 'end'),
  ]);
  const step = end > 300 ? 120 : end > 120 ? 60 : 20;
  const ticks = Array.from({ length: Math.floor(end / step) + 1 }, (_, n) =>
    label(x(n * step), BOTTOM + 16, String(n * step), 'middle'),
  );
  const [from, to] = outage;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${title}">
<style>text{font:11px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;font-size:13px;fill:#1f2328}.resident{fill:#0072b2}.budget{fill:#d55e00}.grid{stroke:#8c959f;stroke-opacity:.25}.limit{stroke:#cf222e;stroke-dasharray:6 4}.line{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#f0f6fc}.resident{fill:#56b4e9}.budget{fill:#e69f00}}</style>
<rect x="${x(from)}" y="${TOP}" width="${x(to) - x(from)}" height="${BOTTOM - TOP}" fill="#8c959f" fill-opacity=".15"/>
${label((x(from) + x(to)) / 2, BOTTOM - 24, 'InfluxDB and S3 down', 'middle')}
${grid.join('\n')}
${ticks.join('\n')}
<path class="limit" d="M${LEFT} ${y(limit)}H${RIGHT}"/>
${label(RIGHT, y(limit) - 5, `limit ${limit} MiB`, 'end')}
<path class="line" stroke="#0072b2" d="${line((sample) => sample.resident)}"/>
<path class="line" stroke="#d55e00" d="${line((sample) => sample.budget)}"/>
${label(LEFT, 18, title, 'start', 'title')}
${label(LEFT, 36, '■ resident memory, MiB', 'start', 'resident')}
${label(LEFT + 150, 36, '■ bytes of events that ingest holds, MiB', 'start', 'budget')}
${label((LEFT + RIGHT) / 2, HEIGHT - 10, 'seconds', 'middle')}
</svg>
`;
}
