/** Lines over a common x axis; drawn as SVG. */
export interface Chart {
  readonly title: string;
  readonly x: { readonly label: string; readonly log?: boolean };
  readonly y: { readonly label: string; readonly log?: boolean };
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
  /** A stretch of the x axis that is shaded and named. */
  readonly span?: { readonly from: number; readonly to: number; readonly label: string };
  /** A value of y that is drawn as a line of its own. */
  readonly limit?: { readonly at: number; readonly label: string };
}

const WIDTH = 680;
const HEIGHT = 360;
const MARGIN = { left: 72, right: 20, top: 62, bottom: 52 };
/** Told apart without colour vision too (Okabe and Ito), and on white as on black. */
/** Of more points than this only the line between them is drawn. */
const MOST_DOTS = 60;
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f'];

/** A chart as a small SVG file: no scripts, no fonts, and readable on light and dark pages alike. */
export function renderChart(chart: Chart): string {
  const { span, limit } = chart;
  const points = chart.series.flatMap((series) => series.points);
  const x = axis(
    points.map(([value]) => value),
    chart.x.log ?? false,
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const y = axis(
    [...points.map(([, value]) => value), ...(limit === undefined ? [] : [limit.at])],
    chart.y.log ?? false,
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const bottom = HEIGHT - MARGIN.bottom;
  const parts: string[] = [text(MARGIN.left, 20, chart.title, 'title')];
  if (span !== undefined) {
    const [from, to] = [round(x.at(span.from)), round(x.at(span.to))];
    parts.push(
      `<rect class="span" x="${from}" y="${MARGIN.top}" width="${round(to - from)}" height="${bottom - MARGIN.top}"/>`,
    );
    parts.push(text((from + to) / 2, bottom - 10, span.label, 'middle'));
  }
  for (const tick of y.ticks) {
    const at = round(y.at(tick));
    parts.push(`<path class="grid" d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}"/>`);
    parts.push(text(MARGIN.left - 6, at + 4, short(tick), 'end'));
  }
  for (const tick of x.ticks) {
    const at = round(x.at(tick));
    parts.push(`<path class="grid" d="M${at} ${MARGIN.top}V${bottom}"/>`);
    parts.push(text(at, bottom + 16, short(tick), 'middle'));
  }
  parts.push(`<path class="axis" d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${WIDTH - MARGIN.right}"/>`);
  parts.push(text((MARGIN.left + WIDTH - MARGIN.right) / 2, HEIGHT - 12, chart.x.label, 'middle'));
  const middle = (MARGIN.top + bottom) / 2;
  parts.push(`<text class="middle" transform="translate(16 ${middle}) rotate(-90)">${escapeXml(chart.y.label)}</text>`);
  if (limit !== undefined) {
    const at = round(y.at(limit.at));
    parts.push(`<path class="limit" d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}"/>`);
    parts.push(text(WIDTH - MARGIN.right, at - 5, limit.label, 'end'));
  }
  let legendAt = MARGIN.left;
  for (const [index, series] of chart.series.entries()) {
    const colour = COLOURS[index % COLOURS.length] ?? '#000';
    const line = series.points.map(([a, b]) => `${round(x.at(a))} ${round(y.at(b))}`);
    if (line.length > 1) parts.push(`<path class="line" stroke="${colour}" d="M${line.join('L')}"/>`);
    for (const [a, b] of series.points.length > MOST_DOTS ? [] : series.points) {
      const said = `${series.name}: ${figure(a)}, ${figure(b)}`;
      parts.push(
        `<circle fill="${colour}" cx="${round(x.at(a))}" cy="${round(y.at(b))}" r="3"><title>${escapeXml(said)}</title></circle>`,
      );
    }
    parts.push(`<rect fill="${colour}" x="${legendAt}" y="34" width="12" height="4"/>`);
    parts.push(text(legendAt + 17, 40, series.name));
    legendAt += 32 + series.name.length * 6.4;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeXml(chart.title)}">`,
    '<style>text{font:11px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;font-size:13px;fill:#1f2328}.end{text-anchor:end}.middle{text-anchor:middle}' +
      '.grid{stroke:#8c959f;stroke-opacity:.25}.axis{stroke:#8c959f;fill:none}.span{fill:#8c959f;fill-opacity:.15}.limit{stroke:#cf222e;stroke-dasharray:6 4}.line{fill:none;stroke-width:2}' +
      '@media(prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#f0f6fc}}</style>',
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

interface Axis {
  readonly ticks: readonly number[];
  /** Value → pixel. */
  readonly at: (value: number) => number;
}

/** @param from pixel of the least value  @param to pixel of the greatest */
function axis(values: readonly number[], log: boolean, from: number, to: number): Axis {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (!Number.isFinite(least) || (log && least <= 0)) {
    throw new RangeError(`This axis cannot show ${values.length} values from ${least}.`);
  }
  const ticks = log ? logTicks(least, most) : linearTicks(Math.min(0, least), most);
  const scale = log ? Math.log10 : (value: number) => value;
  const low = scale(ticks[0] ?? least);
  const high = scale(ticks.at(-1) ?? most);
  return { ticks, at: (value) => from + ((scale(value) - low) / (high - low)) * (to - from) };
}

/** 1, 2 and 5 of every decade where those are few, else the decades. Begins at or below `least`, ends at or above `most`. */
function logTicks(least: number, most: number): number[] {
  const decades = Math.log10(most / least);
  const steps = decades > 3 ? [1] : [1, 2, 5];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.ceil(Math.log10(most)) + 1; power++) {
    for (const step of steps) all.push(step * 10 ** power);
  }
  const first = Math.max(
    0,
    all.findLastIndex((tick) => tick <= least),
  );
  const last = all.findIndex((tick) => tick >= most && tick > (all[first] ?? 0));
  return all.slice(first, last + 1);
}

function linearTicks(least: number, most: number): number[] {
  const span = most > least ? most - least : 1;
  const raw = span / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((n) => n * power >= raw) ?? 10) * power;
  const ticks: number[] = [];
  for (let n = Math.floor(least / step); n <= Math.ceil(most / step); n++) ticks.push(n * step);
  if (ticks.length < 2) ticks.push((ticks[0] ?? 0) + step);
  return ticks;
}

/** 1500 → 1.5k */
function short(value: number): string {
  for (const [unit, sign] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (Math.abs(value) >= unit) return `${Number((value / unit).toPrecision(3))}${sign}`;
  }
  return String(Number(value.toPrecision(3)));
}

const figure = (value: number): string => value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
const round = (value: number): number => Math.round(value * 10) / 10;
const text = (x: number, y: number, content: string, style?: string): string =>
  `<text${style === undefined ? '' : ` class="${style}"`} x="${round(x)}" y="${round(y)}">${escapeXml(content)}</text>`;

export const escapeXml = (content: string): string =>
  content.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? '&quot;');
