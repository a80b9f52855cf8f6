import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { UserpulseError } from '../errors.ts';
import { BUCKET_ROLES, type BucketRole } from '../schema/buckets.ts';
import { byRole } from '../../../contract/roles.ts';
import { isCode, makeFolder, replaceFile } from '../files/durable-file.ts';

const counts = z.strictObject({ removed: z.number().int(), rewritten: z.number().int() });
const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('begin'), version: z.literal(1), at: z.string() }),
  z.strictObject({
    kind: z.literal('points'),
    /** What was looked through: `made 1341100800000`. */
    part: z.string(),
    role: z.enum(BUCKET_ROLES),
    counts,
    /** Hours since 1970-01-01 in which points change. */
    hours: z.array(z.number().int()),
    /** UTC days since 1970-01-01 that must be placed anew. */
    days: z.array(z.number().int()),
  }),
  z.strictObject({ kind: z.literal('object'), key: z.string(), lines: z.number().int() }),
  z.strictObject({ kind: z.literal('end') }),
]);
export type JournalEntry = z.output<typeof entrySchema>;
export type PointCounts = z.output<typeof counts>;

/**
 * What an erasure is about to change, written to a file before it does: what a run that was killed has done cannot be found again. A line for each
 * entry, which is durable before the change; none names anybody.
 */
export class Journal {
  readonly #path: string | undefined;
  #entries: JournalEntry[] = [];

  /** @param path absent: nothing is kept (dry run) */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /**
   * Reads what an earlier run has left, or begins anew where that came to its end.
   * @returns whether an earlier run is resumed
   * @throws UserpulseError `input_unreadable`
   */
  async open(now: Date): Promise<boolean> {
    const path = this.#path;
    this.#entries = path === undefined ? [] : await read(path);
    const resumed = this.#entries.length > 0 && this.#entries.at(-1)?.kind !== 'end';
    if (!resumed) this.#entries = [{ kind: 'begin', version: 1, at: now.toISOString() }];
    if (path === undefined) return false;
    await makeFolder(dirname(path));
    // Also where it is resumed: it may end in half a line.
    await replaceFile(path, this.#entries.map(lineOf));
    return resumed;
  }

  /** Resolves when it is durable. */
  async add(entry: JournalEntry): Promise<void> {
    if (this.#path !== undefined) {
      const file = await open(this.#path, 'a', 0o640);
      try {
        await file.writeFile(lineOf(entry));
        await file.sync();
      } finally {
        await file.close();
      }
    }
    this.#entries.push(entry);
  }

  get startedAt(): string {
    return this.#entries.find((entry) => entry.kind === 'begin')?.at ?? '';
  }

  /** What was found in each bucket before anything of it changed. */
  get points(): Readonly<Record<BucketRole, PointCounts>> {
    const all = byRole((): PointCounts => ({ removed: 0, rewritten: 0 }));
    for (const entry of this.#firstOf('points', ({ part }) => part)) {
      all[entry.role].removed += entry.counts.removed;
      all[entry.role].rewritten += entry.counts.rewritten;
    }
    return all;
  }

  /** Lines by key of their object. */
  get objects(): ReadonlyMap<string, number> {
    return new Map(this.#firstOf('object', ({ key }) => key).map(({ key, lines }) => [key, lines]));
  }

  /**
   * Hours (since 1970-01-01 UTC) in which points of a bucket have changed or gone, ascending: what is summed up elsewhere must be counted again for
   * these. Complete once all points have been looked through; a run that resumes has those of the runs before it, too.
   */
  touchedHours(role: BucketRole): readonly number[] {
    const hours = this.#of('points').flatMap((entry) => (entry.role === role ? entry.hours : []));
    return [...new Set(hours)].sort((a, b) => a - b);
  }

  /** UTC days that must be placed anew, ascending. */
  get days(): readonly number[] {
    return [...new Set(this.#of('points').flatMap(({ days }) => days))].sort((a, b) => a - b);
  }

  #of<K extends JournalEntry['kind']>(kind: K): readonly Extract<JournalEntry, { kind: K }>[] {
    return this.#entries.filter((entry): entry is Extract<JournalEntry, { kind: K }> => entry.kind === kind);
  }

  /** A run that resumes finds less than the first did. */
  #firstOf<K extends JournalEntry['kind']>(
    kind: K,
    nameOf: (entry: Extract<JournalEntry, { kind: K }>) => string,
  ): readonly Extract<JournalEntry, { kind: K }>[] {
    const first = new Map<string, Extract<JournalEntry, { kind: K }>>();
    for (const entry of this.#of(kind)) if (!first.has(nameOf(entry))) first.set(nameOf(entry), entry);
    return [...first.values()];
  }
}

const lineOf = (entry: JournalEntry): Buffer => Buffer.from(`${JSON.stringify(entry)}\n`);

async function read(path: string): Promise<JournalEntry[]> {
  try {
    // What follows the last line feed was being written when the run was killed; what it announced had not begun.
    const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    return lines.map((line) => entrySchema.parse(JSON.parse(line)));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw new UserpulseError(
      'input_unreadable',
      `The progress of an earlier run in ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      { hint: 'Move the file away. The erasure then begins anew; its report counts what is left.', cause: error },
    );
  }
}
