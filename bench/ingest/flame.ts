import { escapeXml } from '../../tools/chart.ts';
import type { ProfileNode } from './stages.ts';

const WIDTH = 1200;
const ROW = 17;
/** Frames narrower than this (px) are left out: nobody can read them, and they are most of the file. */
const MIN_WIDTH = 1;
const IDLE = new Set(['(idle)', '(program)']);

interface Frame {
  readonly name: string;
  readonly file: string;
  readonly children: Map<string, Frame>;
  micros: number;
}

/** A flame graph as SVG: callers below, what they call above, width = time busy. Frames have titles; colours tell whose code it is. */
export function renderFlame(root: ProfileNode, title: string): string {
  const merged = merge(root);
  const deepest = depth(merged, merged.micros);
  const height = (deepest + 1) * ROW + 34;
  const out: string[] = [];
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = (frame.micros / merged.micros) * WIDTH;
    if (width < MIN_WIDTH) return;
    const y = height - (level + 1) * ROW - 4;
    const share = ((frame.micros / merged.micros) * 100).toFixed(1);
    const said = `${frame.name} ${frame.file}: ${share} %`;
    const letters = Math.floor((width - 4) / 6.2);
    const label =
      letters < 3 ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escapeXml(cut(frame.name, letters))}</text>`;
    out.push(
      `<g><title>${escapeXml(said)}</title><rect class="${owner(frame.file)}" x="${x.toFixed(1)}" y="${y}" width="${(width - 0.3).toFixed(1)}" height="${ROW - 1}"/>${label}</g>`,
    );
    let at = x;
    for (const child of [...frame.children.values()].sort((a, b) => b.micros - a.micros)) {
      draw(child, at, level + 1);
      at += (child.micros / merged.micros) * WIDTH;
    }
  };
  draw(merged, 0, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">`,
    '<style>text{font:10px ui-monospace,monospace;fill:#1f2328}.title{font:600 13px system-ui,sans-serif}.own{fill:#f0a860}.package{fill:#8fc1e3}.node{fill:#b9d9a6}.engine{fill:#d8b4d8}' +
      '@media(prefers-color-scheme:dark){.title{fill:#f0f6fc}}</style>',
    `<text class="title" x="4" y="16">${escapeXml(title)}</text>`,
    ...out,
    '</svg>',
    '',
  ].join('\n');
}

/** Equal functions below equal callers become one, idle time goes. */
function merge(node: ProfileNode): Frame {
  const frame: Frame = { name: 'all', file: '', children: new Map(), micros: 0 };
  const add = (into: Frame, from: ProfileNode): number => {
    let micros = IDLE.has(from.name) ? 0 : from.selfMicros;
    for (const child of from.children) {
      if (IDLE.has(child.name)) continue;
      const key = `${child.name} ${child.file}`;
      let target = into.children.get(key);
      if (target === undefined) {
        target = { name: child.name, file: child.file, children: new Map(), micros: 0 };
        into.children.set(key, target);
      }
      micros += add(target, child);
    }
    into.micros += micros;
    return micros;
  };
  add(frame, node);
  return frame;
}

function depth(frame: Frame, total: number): number {
  let deepest = 0;
  for (const child of frame.children.values()) {
    if ((child.micros / total) * WIDTH >= MIN_WIDTH) deepest = Math.max(deepest, 1 + depth(child, total));
  }
  return deepest;
}

const cut = (text: string, letters: number): string =>
  text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;

function owner(file: string): string {
  if (file === '') return 'engine';
  if (file.startsWith('node:')) return 'node';
  return file.endsWith('.ts') ? 'own' : 'package';
}
