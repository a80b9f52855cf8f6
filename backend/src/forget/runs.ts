import type { PointPlace } from '../influx/stored-points.ts';

/** Points of one series that go together: the first, the last, and no other's between them. */
export interface Run {
  readonly from: PointPlace;
  readonly to: PointPlace;
}

/** Finds runs of points that go among those of a series, which come in the order of their time. */
export class RunFinder {
  readonly #goes: (place: PointPlace) => boolean;
  readonly #runs: Run[] = [];
  #open: Run | undefined;

  constructor(goes: (place: PointPlace) => boolean) {
    this.#goes = goes;
  }

  /** The next point; those of another series begin anew. */
  add(place: PointPlace): void {
    const open = this.#open;
    const goes = this.#goes(place);
    const { series, ms, offsetNs } = place;
    if (open?.to.series === series) {
      const { to } = open;
      if (ms < to.ms || (ms === to.ms && offsetNs <= to.offsetNs))
        throw new Error('InfluxDB answered with points that are not in the order of their time.');
      if (goes) {
        this.#open = { from: open.from, to: { series, ms, offsetNs } };
        return;
      }
    }
    if (open !== undefined) this.#runs.push(open);
    const at = { series, ms, offsetNs };
    this.#open = goes ? { from: at, to: at } : undefined;
  }

  /** All of them, once there is no further point. */
  runs(): readonly Run[] {
    return this.#open === undefined ? this.#runs : [...this.#runs, this.#open];
  }
}
