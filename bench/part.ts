import type { Chart } from '../tools/chart.ts';

/** One figure with its spread over the rounds of a run. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

export interface Table {
  readonly title: string;
  /** What was done and how to read it, in a sentence or two of Markdown. */
  readonly note: string;
  readonly columns: readonly string[];
  /** Cells as they are printed, units in the column's heading. */
  readonly rows: readonly (readonly string[])[];
}

/** A chart, and the SVG file it goes to. */
export interface Plot extends Chart {
  readonly file: string;
}

/** A target of the project held against what was measured. */
export interface Target {
  readonly figure: string;
  readonly target: string;
  readonly measured: string;
  readonly met: boolean;
  /** Where it is not met: by how much, and what binds. */
  readonly why?: string;
}

/** A line of the table that the page begins with: what a reader asks first. */
export interface SummaryRow {
  readonly question: string;
  readonly answer: string;
  /** What stands beside it: a peer, another way, a bound. */
  readonly beside: string;
}

/** A picture that the part has made itself: a flame graph, say. */
export interface Picture {
  /** Name of an SVG file in {@link BenchContext.pictures}. */
  readonly file: string;
  /** A sentence of Markdown. */
  readonly caption: string;
}

export interface PartResult {
  /** How it was measured, in Markdown: method, inputs, what is and is not compared. Printed above the tables. */
  readonly method?: string;
  readonly pictures?: readonly Picture[];
  readonly tables: readonly Table[];
  readonly plots: readonly Plot[];
  readonly targets: readonly Target[];
  readonly summary?: readonly SummaryRow[];
}

export interface BenchContext {
  /** A run in miniature, which only shows that everything works: its figures mean nothing. */
  readonly quick: boolean;
  /** Folder for pictures; it exists. */
  readonly pictures: string;
  /** Interleaved rounds of each measurement; at least 5 in a full run. */
  readonly rounds: number;
  /** Progress, a line each, on stderr. */
  readonly say: (line: string) => void;
}

/** One part of `make bench`, a module of its own; run alone by its name. */
export interface BenchPart {
  readonly name: string;
  readonly title: string;
  readonly run: (context: BenchContext) => Promise<PartResult>;
}
