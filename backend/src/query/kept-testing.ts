import type { PointSink, Refusal } from '../influx/point-sink.ts';
import type { InfluxReader } from '../influx/reader.ts';
import type { PointPlace, StoredPoints } from '../influx/stored-points.ts';
import { ModelTotals, type ModelTotal } from '../rollup/testing.ts';
import type { BucketRole } from '../schema/buckets.ts';
import { hourText, hourTopText } from '../schema/hour-counts.ts';
import { HOUR_MS, hourOf, type Hour } from '../schema/hour-marks.ts';
import type { LineBlock } from '../schema/line-block.ts';

/** Makers for tests; nothing in production imports this file. */

/** A point of what users make, as a model keeps it. */
export interface ModelPoint {
  readonly type: string;
  readonly user: string;
  readonly ms: number;
}

type Step = (what: string) => Promise<unknown>;

/** All points of what users make, in memory. */
export class ModelPoints {
  /** Series and time → point. */
  readonly all = new Map<string, ModelPoint>();
  /** Called before and after each change. */
  onChange: () => void = () => undefined;

  change(work: () => void): void {
    work();
    this.onChange();
  }

  /** How many of a range are so. */
  count(fromMs: number, toMs: number, isOne: (point: ModelPoint) => boolean): number {
    let count = 0;
    for (const point of this.all.values()) if (point.ms >= fromMs && point.ms < toMs && isOne(point)) count++;
    return count;
  }
}

/** The totals of these points, which somebody makes for himself. */
export class TotalsOfPoints extends ModelTotals {
  readonly #points: ModelPoints;

  constructor(step: Step, totals: ModelTotals, points: ModelPoints) {
    super(step, totals);
    this.#points = points;
  }

  override inHour(hour: Hour): ModelTotal[] {
    return [...this.#points.all.values()]
      .filter(({ ms }) => hourOf(ms) === hour)
      .map(({ type, user, ms }) => ({ type, ms, ids: { made: user, received: user } }));
  }
}

/** What a process does to a model of InfluxDB. `step` is awaited before and after each change and each read, so that a test decides their order. */
export class ModelProcess implements PointSink, Pick<StoredPoints, 'remove'>, InfluxReader {
  readonly #step: Step;
  readonly #points: ModelPoints;
  readonly #totals: ModelTotals;
  readonly troubleSinceMs = undefined;

  constructor(step: Step, points: ModelPoints, totals: ModelTotals) {
    this.#step = step;
    this.#points = points;
    this.#totals = new ModelTotals(step, totals);
  }

  async write(role: BucketRole, lines: LineBlock, signal: AbortSignal): Promise<readonly Refusal[]> {
    if (role === 'total') return this.#totals.write(role, lines, signal);
    await this.#step('write points');
    this.#points.change(() => {
      for (const line of Buffer.from(lines.bytes(0, lines.length)).toString('latin1').split('\n')) {
        const [, series = '', type = '', user = '', ns = ''] =
          /^(interaction,type=(\w+),prefix=\w+) user=(\d+)i (\d+)$/.exec(line) ?? [];
        this.#points.all.set(`${series} ${ns}`, { type, user, ms: Number(ns.slice(0, -6)) });
      }
    });
    await this.#step('points were written');
    return [];
  }

  async remove(_role: BucketRole, { series, ms, offsetNs }: PointPlace): Promise<void> {
    await this.#step('remove');
    this.#points.change(() => this.#points.all.delete(`${series} ${ms}${String(offsetNs).padStart(6, '0')}`));
    await this.#step('was removed');
  }

  rows(): Promise<void> {
    return Promise.reject(new Error('not asked for'));
  }

  /** Each stream is read at an instant of its own. */
  async bytes(script: { readonly text: string }, onChunk: (chunk: Uint8Array) => void): Promise<void> {
    const tables = await Promise.all(script.text.split('\n\n').map((stream) => this.#read(stream)));
    await this.#step('answer');
    for (const table of tables) onChunk(Buffer.from(table));
  }

  async #read(stream: string): Promise<string> {
    const part = (pattern: RegExp): string => pattern.exec(stream)?.[1] ?? '';
    const [fromMs, toMs] = [/start: ([^,)]+)/, /stop: ([^,)]+)/].map((pattern) => Date.parse(part(pattern)));
    const name = part(/yield\(name: "([^"]*)"\)/);
    if (fromMs === undefined || toMs === undefined) throw new Error(`A stream without a range: ${stream}`);
    await this.#step('read');
    if (stream.includes('interaction_mark')) {
      const { marks } = this.#totals.look({ fromMs, toMs });
      const texts = [...marks.values()]
        .flat()
        .map(
          ({ hour, writer, turn, renewal, open }) => `${hour}:${writer}:${turn}:${renewal}:${open ? 'open' : 'done'}`,
        );
      return `,result,table,_value\r\n${texts.map((text) => `,${name},0,${text}\r\n`).join('')}\r\n`;
    }
    if (stream.includes('"interaction_hour"')) {
      const { counts } = this.#totals.look({
        fromMs,
        toMs,
        field: stream.includes('"minutes"') ? 'minutes' : 'counts',
      });
      return `,result,table,_value\r\n${counts.map((hour) => `,${name},0,${hourText(hour) ?? ''}\r\n`).join('')}\r\n`;
    }
    if (stream.includes('"interaction_hour_top"')) {
      const tops = this.#totals
        .tops('received')
        .filter(({ hour }) => hour * HOUR_MS >= fromMs && hour * HOUR_MS < toMs);
      const lines = tops.map((top) => `,_result,0,${hourTopText(top)},${top.type}\r\n`);
      return `,result,table,_value,type\r\n${lines.join('')}\r\n`;
    }
    // Of everyone there is no test.
    const asked = part(/r\._value == (\d+)/);
    const isAsked = (user: string): boolean => asked === '' || asked === user;
    if (!stream.includes('aggregateWindow')) {
      const rows = [...this.#points.all.values()].filter(({ user, ms }) => ms >= fromMs && ms < toMs && isAsked(user));
      const kept = [...part(/keep\(columns: \[(.*)\]\)/).matchAll(/"(\w+)"/g)].map(([, column = '']) => column);
      const lines = rows.map(({ type, user, ms }) => {
        const values = new Map([
          ['_time', new Date(ms).toISOString()],
          ['_value', user],
          ['type', type],
        ]);
        return `,${name},0,${kept.map((column) => values.get(column)).join()}\r\n`;
      });
      return `,result,table,${kept.join()}\r\n${lines.join('')}\r\n`;
    }
    const [, length = '', unit = ''] = /every: (\d+)(m|h)/.exec(stream) ?? [];
    const everyMs = Number(length) * (unit === 'h' ? 3_600_000 : 60_000);
    const counts = new Map<string, number>();
    for (const { type, user, ms } of this.#points.all.values()) {
      if (ms < fromMs || ms >= toMs || !isAsked(user)) continue;
      const start = Math.max(fromMs, Math.floor(ms / everyMs) * everyMs);
      const key = `${new Date(start).toISOString()},${type}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const rows = [...counts].map(([key, count]) => `,${name},0,${key},${count}\r\n`);
    return `,result,table,_time,type,_value\r\n${rows.join('')}\r\n`;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
