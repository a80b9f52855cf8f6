import { ID_FORMAT_NAMES, ID_FORMATS } from '../../../contract/ids.ts';
import type { InteractionEvent } from '../event/event.ts';
import type { PointPlace, StoredField } from '../influx/stored-points.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import type { EventIdentity } from '../schema/identity.ts';
import { fieldsOf, pointsOf, renderLine, valuesOf, type Point } from '../schema/points.ts';
import { repairGroup, type StoredPoint, type WantedPoint } from './group.ts';

/** An event of a slice, with what is used of its identity; each once. */
export interface SliceEvent {
  readonly event: InteractionEvent;
  readonly offsetNs: number;
  readonly key: EventIdentity['key'];
}

/** A change that a bucket needs. */
export type Change =
  | { readonly kind: 'write'; readonly line: string; readonly replaces: boolean }
  | { readonly kind: 'remove'; readonly place: PointPlace };

/** By offset, the values of the role's fields that a group holds; undefined where a point lacks one. */
type Stored = Map<number, (string | undefined)[]>;

/** Events of a group that are looked at one after another for each of its points; what a fuller group holds is kept. */
const FEW = 8;

/** What a field stands for where a point lacks it: version 0.1 wrote totals without the ids that an event does not have. */
const ABSENT = ['', ...ID_FORMAT_NAMES.map((name) => ID_FORMATS[name].absent)];

/**
 * What a bucket should hold of a slice's events, beside what it holds. Nearly every point is where it belongs: of those, only which fields have been
 * seen is kept.
 */
export class RolePoints {
  readonly #role: BucketRole;
  readonly #events: readonly SliceEvent[];
  readonly #schema: Schema;
  readonly #fields: readonly string[];
  /** By series and ms, the events that have a point there: one, or several. */
  readonly #groups = new Map<string, Map<number, number | number[]>>();
  /** Per event, which fields of its point have been seen at the event's own offset: a bit each. */
  readonly #seen: Uint8Array;
  /** By series and ms, all else that the bucket holds beside points of events. */
  readonly #others = new Map<string, Map<number, Stored>>();
  /** Points that the bucket should hold. */
  wanted = 0;
  /** Points that it holds and that are of no archived event; complete after {@link changes}. */
  foreign = 0;

  constructor(role: BucketRole, events: readonly SliceEvent[], schema: Schema) {
    this.#role = role;
    this.#events = events;
    this.#schema = schema;
    this.#fields = fieldsOf(role);
    this.#seen = new Uint8Array(events.length);
    for (let event = 0; event < events.length; event++) {
      const point = this.#point(event);
      if (point === undefined) continue;
      this.wanted++;
      const byMs = inner(this.#groups, point.series);
      const before = byMs.get(point.ms);
      if (before === undefined) byMs.set(point.ms, event);
      else if (typeof before === 'number') byMs.set(point.ms, [before, event]);
      else before.push(event);
    }
  }

  /** Takes note of a field that the bucket holds. */
  add({ series, ms, offsetNs, field, value }: StoredField): void {
    const at = this.#fields.indexOf(field);
    const group = this.#groups.get(series)?.get(ms);
    if (group === undefined) {
      if (at === 0) this.foreign++;
      return;
    }
    if (typeof group === 'number') {
      if (this.#isOwn(group, offsetNs, at, value)) return;
    } else if (group.length <= FEW) {
      for (const event of group) if (this.#isOwn(event, offsetNs, at, value)) return;
    }
    const byMs = inner(this.#others, series);
    let stored = byMs.get(ms);
    if (stored === undefined) byMs.set(ms, (stored = new Map<number, string[]>()));
    set(stored, offsetNs, at, value);
  }

  /**
   * What is to be changed; nothing where all is right. Each group's removals come before its writes.
   * @throws as {@link repairGroup}
   */
  *changes(): Generator<Change> {
    const whole = 2 ** this.#fields.length - 1;
    for (const [series, byMs] of this.#groups) {
      const others = this.#others.get(series);
      for (const [ms, group] of byMs) {
        const events = typeof group === 'number' ? [group] : group;
        const stored = others?.get(ms);
        if (stored === undefined && events.every((event) => this.#seen[event] === whole)) continue;
        const wanted = events.map((event) => this.#wanted(event));
        const { writes, removes, foreign } = repairGroup(wanted, this.#stored(wanted, stored));
        this.foreign += foreign;
        for (const offsetNs of removes) yield { kind: 'remove', place: { series, ms, offsetNs } };
        for (const { event, offsetNs, replaces } of writes) {
          const point = this.#point(event);
          if (point !== undefined) yield { kind: 'write', line: renderLine(point, offsetNs), replaces };
        }
      }
    }
  }

  /** Whether a field is that of this event's point, at its own offset; then it is noted. */
  #isOwn(event: number, offsetNs: number, at: number, value: string): boolean {
    const of = this.#events[event];
    if (of?.offsetNs !== offsetNs) return false;
    if (valuesOf(this.#role, of.event, this.#schema)?.[at] !== value) return false;
    this.#seen[event] = (this.#seen[event] ?? 0) | (1 << at);
    return true;
  }

  #wanted(event: number): WantedPoint {
    const of = this.#events[event];
    const values = of && valuesOf(this.#role, of.event, this.#schema);
    if (of === undefined || values === undefined) throw new Error(`Event ${event} has no point in ${this.#role}.`);
    const { offsetNs, key } = of;
    return { event, offsetNs, key, value: values[0], content: values.join() };
  }

  /** All that a group holds: what was seen of its events, and the others. */
  #stored(wanted: readonly WantedPoint[], others: Stored | undefined): StoredPoint[] {
    const stored: Stored = new Map(others);
    for (const { event, offsetNs } of wanted) {
      const of = this.#events[event];
      const values = of && valuesOf(this.#role, of.event, this.#schema);
      values?.forEach((value, at) => {
        if (((this.#seen[event] ?? 0) & (1 << at)) !== 0) set(stored, offsetNs, at, value);
      });
    }
    return [...stored].map(([offsetNs, values]) => ({
      offsetNs,
      value: values[0] ?? '',
      content: this.#fields.map((_, at) => values[at] ?? ABSENT[at] ?? '').join(),
    }));
  }

  #point(event: number): Point | undefined {
    const of = this.#events[event];
    return of === undefined ? undefined : pointsOf(of.event, this.#schema).find(({ role }) => role === this.#role);
  }
}

function inner<K, V>(outer: Map<K, Map<number, V>>, key: K): Map<number, V> {
  let found = outer.get(key);
  if (found === undefined) outer.set(key, (found = new Map<number, V>()));
  return found;
}

function set(stored: Stored, offsetNs: number, at: number, value: string): void {
  const values = stored.get(offsetNs);
  if (values === undefined) {
    const first: (string | undefined)[] = [];
    first[at] = value;
    stored.set(offsetNs, first);
  } else values[at] = value;
}
