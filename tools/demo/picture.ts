import { grouped } from '../text.ts';
import { summed, total, type Question, type SeriesByType } from './api.ts';
import { sparkline } from './sparkline.ts';

/** What the picture shows of one question. */
export interface Row {
  readonly question: Question | 'everyone';
  readonly id: string | undefined;
  readonly series: SeriesByType;
}

const TITLE: Readonly<Record<Row['question'], string>> = {
  made: 'made by user',
  received: 'received by user',
  share: 'received by share',
  everyone: 'everyone',
};
const COLOUR: Readonly<Record<Row['question'], string>> = {
  made: '\x1b[36m',
  received: '\x1b[35m',
  share: '\x1b[33m',
  everyone: '\x1b[32m',
};
/** A share's id has 24 characters, a user's at most 19. */
const LABEL_WIDTH = 26;
const COUNT_WIDTH = 11;

/** Two lines a question: its sparkline with the count, then id and types. */
export function picture(rows: readonly Row[], columns: number, colour: boolean): string[] {
  const width = Math.max(10, columns - LABEL_WIDTH - COUNT_WIDTH - 2);
  return rows.flatMap(({ question, id, series }) => {
    const spark = sparkline(summed(series), width);
    const count = grouped(total(series)).padStart(COUNT_WIDTH);
    const types = [...series]
      .map(([type, values]) => ({ type, n: values.reduce((s, v) => s + v, 0) }))
      .sort((a, b) => b.n - a.n)
      .map(({ type, n }) => `${type} ${grouped(n)}`)
      .join(' · ');
    const first = `${TITLE[question].padEnd(LABEL_WIDTH)}${colour ? COLOUR[question] : ''}${spark}${colour ? '\x1b[0m' : ''}${' '.repeat(Math.max(0, width - spark.length))}${count}`;
    const second = `${(id ?? (question === 'everyone' ? '' : 'none yet')).padEnd(LABEL_WIDTH)}${types}`;
    return [first, second.slice(0, columns)];
  });
}

/** The same as one plain line, for logs. */
export function plainPicture(rows: readonly Row[]): string {
  return rows
    .map((r) => `${TITLE[r.question]}${r.id === undefined ? '' : ` ${r.id}`}: ${grouped(total(r.series))}`)
    .join(' | ');
}
