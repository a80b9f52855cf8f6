import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Journal } from './journal.ts';

const folder = await mkdtemp(join(tmpdir(), 'journal-'));
afterAll(() => rm(folder, { recursive: true }));
const NOW = new Date(0);
const points = (removed: number, hours: number[], days: number[] = []) =>
  ({ kind: 'points', part: 'made 1', role: 'made', counts: { removed, rewritten: 1 }, hours, days }) as const;

describe('the journal of an erasure', () => {
  it('counts what the first run found, and adds up what runs touched', async () => {
    const path = join(folder, 'a', 'first.ndjson');
    const first = new Journal(path);
    expect(await first.open(NOW)).toBe(false);
    await first.add(points(5, [7, 3], [1]));
    await first.add({ kind: 'object', key: 'k', lines: 9 });
    // A kill in the middle of a line: what it announced had not begun.
    await appendFile(path, '{"kind":"obj');
    const second = new Journal(path);
    expect(await second.open(new Date(9))).toBe(true);
    await second.add(points(2, [3, 8]));
    await second.add({ kind: 'object', key: 'k', lines: 1 });
    const third = new Journal(path);
    expect(await third.open(new Date(10))).toBe(true);
    expect(third.startedAt).toBe(NOW.toISOString());
    expect(third.points.made).toEqual({ removed: 5, rewritten: 1 });
    expect([...third.objects]).toEqual([['k', 9]]);
    expect(third.touchedHours('made')).toEqual([3, 7, 8]);
    expect(third.touchedHours('total')).toEqual([]);
    expect(third.days).toEqual([1]);
  });

  it('begins anew after an end', async () => {
    const path = join(folder, 'ended.ndjson');
    const first = new Journal(path);
    await first.open(NOW);
    await first.add(points(5, []));
    await first.add({ kind: 'end' });
    const second = new Journal(path);
    expect(await second.open(NOW)).toBe(false);
    expect(second.points.made.removed).toBe(0);
  });

  it('says what it cannot read', async () => {
    const path = join(folder, 'damaged.ndjson');
    await appendFile(path, 'nothing\n');
    await expect(new Journal(path).open(NOW)).rejects.toMatchObject({ code: 'input_unreadable' });
  });
});
