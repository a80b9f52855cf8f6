import { describe, expect, it } from 'vitest';
import type { InteractionEvent } from '../event/event.ts';
import { eraseEvent, replacementOf, type Replacement, type Subject } from '../erasure/erase-event.ts';
import { ErasureKey } from '../erasure/erasure-key.ts';
import type { BucketRole, Schema } from '../schema/buckets.ts';
import { fieldsOf, pointsOf, valuesOf } from '../schema/points.ts';
import { changeOf, type Erasure } from './point-change.ts';

const key = new ErasureKey('a-key-that-is-long-enough-for-tests');
const SHARE = '4ff3000000000000000000ab';
const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { side: 'first', length: 4 },
  sharePrefix: { side: 'first', length: 6 },
};

const EVENTS: readonly InteractionEvent[] = [
  ['88', '7', SHARE],
  ['88', '7', undefined],
  ['88', undefined, SHARE],
  ['7', '88', SHARE],
  ['7', '88', undefined],
  ['88', '88', undefined],
  ['88', '88', SHARE],
  ['7', '6', SHARE],
  ['7', undefined, SHARE],
].map(([actorId = '', receiverId, shareId], n) => ({
  eventId: `e${n}`,
  type: 'like',
  occurredAtMs: 1_341_100_972_000,
  actorId,
  receiverId,
  shareId,
}));

const SUBJECTS: readonly Subject[] = [
  { kind: 'user', id: '88' },
  { kind: 'share', id: SHARE },
];

/** The point of an event as InfluxDB gives it back. */
function stored(role: BucketRole, event: InteractionEvent) {
  const point = pointsOf(event, schema).find((each) => each.role === role);
  const values = valuesOf(role, event);
  if (point === undefined || values === undefined) return undefined;
  const fields = new Map(fieldsOf(role).map((name, n) => [name, values[n] ?? '']));
  return { place: { series: point.series, ms: point.ms, offsetNs: 5, fields }, point };
}

describe('what becomes of a point', () => {
  it.each(
    SUBJECTS.flatMap((subject) =>
      (['nobody', 'pseudonym'] as const).flatMap((replacement) =>
        EVENTS.map((event): readonly [Subject, Replacement, InteractionEvent] => [subject, replacement, event]),
      ),
    ),
  )('is what ingest would write of the erased event: %o %s %o', (subject, replacement, event) => {
    const text = replacementOf(subject, replacement, key);
    const erasure: Erasure = { subject, replacement, text, schema };
    const after = eraseEvent(event, (kind, id) => (kind === subject.kind && id === subject.id ? text : undefined), key);
    for (const role of ['made', 'received', 'share', 'total'] as const) {
      const found = stored(role, event);
      if (found === undefined) continue;
      const names = [...found.place.fields.values()].some((value) => value.split(':').includes(subject.id));
      const wanted = pointsOf(after?.event ?? event, schema).find((point) => point.role === role);
      if (!names) {
        expect(wanted).toEqual(found.point);
        continue;
      }
      const change = changeOf(role, found.place, erasure);
      const written = change.kind === 'rewrite' ? { series: found.place.series, fields: change.fields } : change.moved;
      expect(written === undefined).toBe(wanted === undefined);
      if (wanted === undefined || written === undefined) continue;
      expect(written.series).toBe(wanted.series);
      // Fields that are not written keep their values.
      const kept = change.kind === 'rewrite' ? found.point.fields.split(',') : [];
      const fields = new Map(
        [...kept, ...written.fields.split(',')].map((field) => field.split('=') as [string, string]),
      );
      expect(Object.fromEntries(fields)).toEqual(
        Object.fromEntries(wanted.fields.split(',').map((field) => field.split('='))),
      );
    }
  });

  it('of version 0.1, without a counterpart, goes as well', () => {
    const place = { series: 'interaction,prefix=88,type=like', ms: 1, offsetNs: 2, fields: new Map([['user', '88']]) };
    const subject: Subject = { kind: 'user', id: '88' };
    expect(changeOf('made', place, { subject, replacement: 'nobody', text: '0', schema })).toEqual({
      kind: 'remove',
      moved: undefined,
    });
    const moved = changeOf('made', place, { subject, replacement: 'pseudonym', text: '1234567', schema });
    expect(moved).toEqual({
      kind: 'remove',
      moved: { series: 'interaction,prefix=1234,type=like', fields: 'user=1234567i' },
    });
  });
});
