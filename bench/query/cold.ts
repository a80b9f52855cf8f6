import { canDropCaches } from '../data/disk.ts';
import type { FilledInflux } from '../data/influx.ts';
import { PRESET_NAMES } from '../../contract/presets.ts';
import { RANGES, type questionsOf } from './questions.ts';
import type { Asker } from './ways.ts';

export interface ColdAnswers {
  readonly ranges: readonly string[];
  /** `preset range` → ms, one of each round. */
  readonly answers: ReadonlyMap<string, readonly number[]>;
  readonly restartMs: readonly number[];
  readonly cachesDropped: boolean;
}

/** A day, a week, a year. */
const COLD_RANGES = [RANGES[1], RANGES[2], RANGES[4]];

/** Restarts influxd for each range and round, and asks each preset once. `top` shares its bucket with `everyone`, but not its fields. */
export async function askCold(options: {
  readonly question: ReturnType<typeof questionsOf>;
  readonly influx: FilledInflux;
  readonly asker: Asker;
  readonly rounds: number;
  readonly say: (line: string) => void;
}): Promise<ColdAnswers> {
  const { asker, influx, say } = options;
  const answers = new Map<string, number[]>();
  const restartMs: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const range of COLD_RANGES) {
      say(`cold round ${round + 1} of ${options.rounds}, ${range.name}`);
      restartMs.push(await influx.restart());
      for (const preset of PRESET_NAMES) {
        // Reads ten million ids, which nothing makes much slower.
        if (preset === 'top' && range !== RANGES[1]) continue;
        const prepared = await asker.prepare(options.question(preset, range).body(500 + round));
        const [ms = NaN] = await asker.time('api', [prepared], 1);
        const key = `${preset} ${range.name}`;
        answers.set(key, [...(answers.get(key) ?? []), ms]);
      }
    }
  }
  return { ranges: COLD_RANGES.map((range) => range.name), answers, restartMs, cachesDropped: canDropCaches() };
}
