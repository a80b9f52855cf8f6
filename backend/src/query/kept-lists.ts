import type { RankedRole } from '../../../contract/roles.ts';
import type { HourTop } from '../schema/hour-counts.ts';
import type { Hour } from '../schema/hour-marks.ts';
import type { QueryBudget, Spare } from './budget.ts';

/** What kept lists may take of the budget. */
const KEPT_SHARE = 1 / 8;
/** Of a list, and of an id in it. */
const LIST_BYTES = 256;
const ID_BYTES = 96;

/** The first ids of hours, as they were read. A list never changes under its seal, so that it is as good as one that is read now. */
export class KeptLists implements Spare {
  readonly #budget: QueryBudget;
  /** The one that was used longest ago first. */
  readonly #lists = new Map<string, HourTop>();
  #bytes = 0;

  constructor(budget: QueryBudget) {
    this.#budget = budget;
    budget.addSpare(this);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(of: RankedRole, hour: Hour, type: string, seal: string): HourTop | undefined {
    const key = `${of} ${hour} ${type}`;
    const list = this.#lists.get(key);
    if (list === undefined) return undefined;
    this.#lists.delete(key);
    if (list.seal === seal) {
      this.#lists.set(key, list);
      return list;
    }
    this.#bytes -= bytesOf(list);
    return undefined;
  }

  keep(of: RankedRole, list: HourTop): void {
    const key = `${of} ${list.hour} ${list.type}`;
    const bytes = bytesOf(list);
    const most = this.#budget.limits.maxBytes * KEPT_SHARE;
    const before = this.#lists.get(key);
    if (before !== undefined) this.#forget(key, before);
    if (this.#bytes + bytes > most) this.free(this.#bytes + bytes - most);
    // Requests go first.
    if (bytes > most || bytes > this.#budget.free) return;
    this.#lists.set(key, list);
    this.#bytes += bytes;
  }

  free(bytes: number): void {
    const most = Math.max(0, this.#bytes - bytes);
    for (const [key, list] of this.#lists) {
      if (this.#bytes <= most) return;
      this.#forget(key, list);
    }
  }

  #forget(key: string, list: HourTop): void {
    this.#lists.delete(key);
    this.#bytes -= bytesOf(list);
  }
}

const bytesOf = ({ ids }: HourTop): number => LIST_BYTES + ids.length * ID_BYTES;
