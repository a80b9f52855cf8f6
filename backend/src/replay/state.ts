import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserpulseError } from '../errors.ts';
import type { DayRange } from '../archive/days.ts';
import { dayText } from '../archive/keys.ts';
import { isCode, makeFolder, replaceFile } from '../files/durable-file.ts';
import type { ArchivedDay } from '../archive/day-plan.ts';

/** What identifies a replay or a repair: with another archive, other buckets, another scheme or other types it is another one. */
export interface ReplayTarget {
  /** Absent: a replay. */
  readonly command?: 'repair';
  readonly archive: string;
  readonly influx: string;
  readonly buckets: readonly string[];
  readonly schemes: readonly string[];
  /** Empty: all. */
  readonly types: readonly string[];
}

const dayState = z.strictObject({
  /** {@link ArchivedDay.digest} */
  objects: z.string(),
  /** Seconds done, from the start of the day. */
  before: z.number().int().min(0).max(86_400),
});
const stateSchema = z.strictObject({
  version: z.literal(1),
  target: z.unknown(),
  startedAt: z.string(),
  days: z.record(z.string(), dayState),
});

/** The progress of a replay or a repair: a file per target, replaced whole after each slice that is durable in InfluxDB. */
export class ReplayState {
  readonly path: string;
  readonly #folder: string;
  readonly #target: ReplayTarget;
  #startedAt = '';
  #days = new Map<string, z.infer<typeof dayState>>();

  /** @param folder created by the first save */
  constructor(folder: string, target: ReplayTarget) {
    this.#folder = folder;
    this.#target = target;
    const name = createHash('sha256').update(JSON.stringify(target)).digest('hex').slice(0, 16);
    this.path = join(folder, `${name}.json`);
  }

  /** When the replay began; '' where there is none. */
  get startedAt(): string {
    return this.#startedAt;
  }

  /** Whether every planned day is done. */
  get complete(): boolean {
    return [...this.#days.values()].every((day) => day.before === 86_400);
  }

  /** @throws UserpulseError `input_unreadable` for a file that cannot be read */
  async load(): Promise<void> {
    try {
      const { startedAt, days } = stateSchema.parse(JSON.parse(await readFile(this.path, 'utf8')));
      this.#startedAt = startedAt;
      this.#days = new Map(Object.entries(days));
    } catch (error) {
      if (isCode(error, 'ENOENT')) return;
      throw new UserpulseError(
        'input_unreadable',
        `The progress of an earlier ${this.#target.command ?? 'replay'} in ${this.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        { hint: 'Delete the file or add --restart to start over. That does no harm.', cause: error },
      );
    }
  }

  /** Starts over. */
  begin(now: Date): void {
    this.#startedAt = now.toISOString();
    this.#days = new Map();
  }

  /** Adds the days of a range that the archive holds. What is done of a day that has not changed stays done. */
  plan(range: DayRange, days: readonly ArchivedDay[]): void {
    const known = this.#days;
    this.#days = new Map([...known].filter(([text]) => text < dayText(range.from) || text > dayText(range.to)));
    for (const { day, digest } of days) {
      const text = dayText(day);
      const before = known.get(text);
      this.#days.set(text, before?.objects === digest ? before : { objects: digest, before: 0 });
    }
  }

  /** Seconds of a day that are done; 0 where its objects have changed. */
  doneBefore(day: string, digest: string): number {
    const known = this.#days.get(day);
    return known?.objects === digest ? known.before : 0;
  }

  async save(day: string, digest: string, before: number): Promise<void> {
    this.#days.set(day, { objects: digest, before });
    const content: z.input<typeof stateSchema> = {
      version: 1,
      target: this.#target,
      startedAt: this.#startedAt,
      days: Object.fromEntries(this.#days),
    };
    await makeFolder(this.#folder);
    await replaceFile(this.path, [Buffer.from(`${JSON.stringify(content, null, 1)}\n`)]);
  }
}
