import { describe, expect, it } from 'vitest';
import { freshCheckpoint, type ShardCheckpoint } from '../checkpoint/checkpoint.ts';
import { eventOfRelocation, groupOfPoint, OffsetTable, type Relocation } from '../schema/offsets.ts';
import { placeOf } from './erase-points.ts';
import { withoutRelocations } from './relocations.ts';

/** Three events that want one offset: two are relocated. */
function relocated(ms: number): readonly Relocation[] {
  const table = new OffsetTable({ capacity: 1_024 });
  return [1, 2, 3].flatMap((n) => {
    const identity = { offsetNs: 5, id: [n, 0, 0, 0], key: [n, 7 * n, n, n] } as const;
    return table.assign({ role: 'made', series: SERIES, fields: '', ms }, identity).relocation ?? [];
  });
}
const SERIES = 'interaction,prefix=88,type=like';

const checkpoint: ShardCheckpoint = {
  ...freshCheckpoint('shardId-000000000000'),
  sequenceNumber: '50',
  relocations: [...relocated(1_000), ...relocated(2_000)].map((relocation, n) => ({
    ...relocation,
    sequenceNumber: String(n * 20),
  })),
};
const offsets = (found: ShardCheckpoint | undefined) => found?.relocations.map(({ sequenceNumber }) => sequenceNumber);

describe('withoutRelocations', () => {
  it('drops the point that changes, or all that are placed anew', () => {
    const place = placeOf('made', { series: SERIES, ms: 1_000, offsetNs: 7 });
    expect(offsets(withoutRelocations(checkpoint, { places: new Set([place]) }))).toEqual(['0', '40', '60']);
    const group = groupOfPoint({ role: 'made', series: SERIES, ms: 1_000 });
    expect(offsets(withoutRelocations(checkpoint, { groups: new Set([group]) }))).toEqual(['40', '60']);
  });

  it('keeps those of records that are written again, and others', () => {
    const group = groupOfPoint({ role: 'made', series: SERIES, ms: 2_000 });
    expect(offsets(withoutRelocations(checkpoint, { groups: new Set([group]) }))).toEqual(['0', '20', '60']);
    const events = new Set([eventOfRelocation(checkpoint.relocations[1]!)]);
    expect(offsets(withoutRelocations(checkpoint, { events }))).toEqual(['0', '40', '60']);
    const other = groupOfPoint({ role: 'total', series: SERIES, ms: 1_000 });
    expect(withoutRelocations(checkpoint, { groups: new Set([other]) })).toBeUndefined();
  });
});
