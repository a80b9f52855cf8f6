/** Values of each switch by the switch's name. */
export type Switches = Readonly<Record<string, readonly string[]>>;
/** One value for each switch. */
export type Row = Readonly<Record<string, string>>;

/** Where switch `when` has the value `is`, switch `then` must have one of `among`. */
export interface Implication {
  readonly when: string;
  readonly is: string;
  readonly then: string;
  readonly among: readonly string[];
}

interface Pair {
  readonly a: readonly [name: string, value: string];
  readonly b: readonly [name: string, value: string];
}

/**
 * Rows in which every pair of values of two switches occurs that the implications allow. Greedy, and the same each time: a row begins with
 * a pair that is missing, and each further switch takes the value that adds most.
 */
export function pairwise(switches: Switches, implications: readonly Implication[]): readonly Row[] {
  const names = Object.keys(switches);
  const missing = new Map<string, Pair>();
  names.forEach((one, i) => {
    for (const other of names.slice(i + 1)) {
      for (const v of switches[one] ?? []) {
        for (const w of switches[other] ?? []) {
          const pair: Pair = { a: [one, v], b: [other, w] };
          missing.set(keyOf(pair), pair);
        }
      }
    }
  });

  const allowed = (row: Row): boolean =>
    implications.every(
      ({ when, is, then, among }) => row[when] !== is || row[then] === undefined || among.includes(row[then]),
    );
  const gain = (row: Row, name: string, value: string): number =>
    Object.entries(row).filter(
      ([n, v]) =>
        missing.has(keyOf({ a: [n, v], b: [name, value] })) || missing.has(keyOf({ a: [name, value], b: [n, v] })),
    ).length;
  /** The row with all switches; undefined where no value of one is allowed. */
  const complete = (row: Row): Row | undefined => {
    if (!allowed(row)) return undefined;
    const next = names.find((name) => row[name] === undefined);
    if (next === undefined) return row;
    const values = [...(switches[next] ?? [])].sort((v, w) => gain(row, next, w) - gain(row, next, v));
    for (const value of values) {
      const completed = complete({ ...row, [next]: value });
      if (completed !== undefined) return completed;
    }
    return undefined;
  };

  const rows: Row[] = [];
  for (const [key, { a, b }] of missing) {
    if (!missing.has(key)) continue;
    const row = complete({ [a[0]]: a[1], [b[0]]: b[1] });
    missing.delete(key);
    if (row === undefined) continue;
    rows.push(row);
    names.forEach((one, i) => {
      for (const other of names.slice(i + 1)) {
        missing.delete(keyOf({ a: [one, row[one] ?? ''], b: [other, row[other] ?? ''] }));
      }
    });
  }
  return rows;
}

const keyOf = ({ a, b }: Pair): string => `${a[0]}=${a[1]} ${b[0]}=${b[1]}`;
