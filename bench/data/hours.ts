import { pino } from 'pino';
import { systemClock } from '../../backend/src/clock.ts';
import { InfluxSink } from '../../backend/src/influx/influx-sink.ts';
import { HttpInfluxReader } from '../../backend/src/influx/reader.ts';
import { countDay } from '../../backend/src/rollup/count-days.ts';
import { InfluxHours } from '../../backend/src/rollup/counted-hours.ts';
import { HourMarks } from '../../backend/src/rollup/hour-marks.ts';
import type { Hour } from '../../backend/src/schema/hour-marks.ts';
import { variableSecret } from '../../backend/src/secrets.ts';
import type { InfluxAccess } from '../../tools/stores.ts';
import { number } from '../stats.ts';
import { usageOf } from '../usage.ts';
import type { FilledInflux } from './influx.ts';
import { SCHEMA } from './layouts.ts';
import { WEEK_FROM, WEEK_TO } from './week.ts';

const DAY_MS = 86_400_000;
const WEEK_DAYS = { from: WEEK_FROM / DAY_MS, to: WEEK_TO / DAY_MS };

export interface Counting {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const ignored = (): void => undefined;

const targetOf = (influx: InfluxAccess) => ({
  host: influx.url,
  org: influx.org,
  token: variableSecret('INFLUX_TOKEN', influx.token),
});

const sinkOf = (influx: InfluxAccess): InfluxSink =>
  new InfluxSink({
    target: targetOf(influx),
    buckets: SCHEMA.buckets,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    connections: 2,
    onRetry: ignored,
    onAnswer: ignored,
    onExpired: ignored,
  });

/** Marks hours as an ingest does that writes to them now. @returns marks them as one that has ended */
export async function openHours(influx: InfluxAccess, hours: readonly Hour[]): Promise<() => Promise<void>> {
  const sink = sinkOf(influx);
  const never = new AbortController().signal;
  // Always the same writer, so that a store that is kept has its marks once.
  const marks = new HourMarks(sink, { ...systemClock, sleep: () => new Promise(ignored) }, 'bench');
  await marks.during(hours, never, () => Promise.resolve());
  return async () => {
    await marks.close(never);
    await sink.close();
  };
}

/** Counts the hours of the busy week, as `userpulse rollup --from --to` does. */
export async function countWeek(
  influx: InfluxAccess & Pick<FilledInflux, 'server'>,
  say: (line: string) => void,
): Promise<Counting> {
  const target = targetOf(influx);
  const reader = new HttpInfluxReader({ ...target, timeoutMs: 600_000 });
  const sink = sinkOf(influx);
  const cpu = (): number =>
    usageOf(influx.server.pid).cpuSeconds + process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;
  try {
    const [begun, cpuBefore] = [performance.now(), cpu()];
    for (let day = WEEK_DAYS.from; day < WEEK_DAYS.to; day++)
      await countDay(
        day,
        { hours: new InfluxHours(reader, sink, SCHEMA), sink, clock: systemClock },
        new AbortController().signal,
      );
    const seconds = (performance.now() - begun) / 1000;
    say(`the week’s hours counted in ${number(seconds)} s`);
    return { seconds, cpuSeconds: cpu() - cpuBefore };
  } finally {
    await reader.close();
    await sink.close();
  }
}
