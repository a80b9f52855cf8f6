import { describe, expect, it } from 'vitest';
import type { InteractionEvent } from '../event/event.ts';
import { eraseEvent, replacementOf, type Replacement, type Subject } from '../erasure/erase-event.ts';
import { ErasureKey } from '../erasure/erasure-key.ts';
import { formatsOf, pairSeparator, type BucketRole, type PrefixScheme, type Schema } from '../schema/buckets.ts';
import { fieldsOf, pointsOf, valuesOf } from '../schema/points.ts';
import { changeOf, type Erasure } from './point-change.ts';

const key = new ErasureKey('a-key-that-is-long-enough-for-tests');
const schema: Schema = {
  buckets: { made: 'm', received: 'r', share: 's', total: 't' },
  userPrefix: { by: 'first', length: 4 },
  sharePrefix: { by: 'first', length: 6 },
};
const hashed: PrefixScheme = { by: 'hash', length: 3 };

interface World {
  readonly name: string;
  readonly schema: Schema;
  readonly me: string;
  readonly others: readonly [string, string];
  readonly share: string;
}
const WORLDS: readonly World[] = [
  { name: 'default', schema, me: '88', others: ['7', '6'], share: '4ff3000000000000000000ab' },
  {
    name: 'text',
    schema: { ...schema, ids: { user: 'text', share: 'text' }, userPrefix: hashed, sharePrefix: hashed },
    me: 'auth0|88',
    others: ['did:plc:7', 'a/b@c.de'],
    share: 'at://did:plc:7/post/3k=',
  },
  {
    name: 'share text',
    schema: { ...schema, ids: { user: 'int64', share: 'text' }, sharePrefix: hashed },
    me: '88',
    others: ['7', '6'],
    share: 'post:88',
  },
  {
    name: 'user text, share int64',
    schema: { ...schema, ids: { user: 'text', share: 'int64' }, userPrefix: hashed },
    me: '88',
    others: ['-7', '6:'],
    share: '9223372036854775807',
  },
];

const eventsOf = ({ me, others: [other, third], share }: World): readonly InteractionEvent[] =>
  [
    [me, other, share],
    [me, other, undefined],
    [me, undefined, share],
    [other, me, share],
    [other, me, undefined],
    [me, me, undefined],
    [me, me, share],
    [other, third, share],
    [other, undefined, share],
  ].map(([actorId = me, receiverId, shareId], n) => ({
    eventId: `e${n}`,
    type: 'like',
    occurredAtMs: 1_341_100_972_000,
    actorId,
    receiverId,
    shareId,
  }));

const subjectsOf = ({ me, share }: World): readonly Subject[] => [
  { kind: 'user', id: me },
  { kind: 'share', id: share },
];

/** The point of an event as InfluxDB gives it back. */
function stored(role: BucketRole, event: InteractionEvent, schema: Schema) {
  const point = pointsOf(event, schema).find((each) => each.role === role);
  const values = valuesOf(role, event, schema);
  if (point === undefined || values === undefined) return undefined;
  const fields = new Map(fieldsOf(role).map((name, n) => [name, values[n] ?? '']));
  return { place: { series: point.series, ms: point.ms, offsetNs: 5, fields }, point };
}

const cut = (field: string): [string, string] => {
  const at = field.indexOf('=');
  return [field.slice(0, at), field.slice(at + 1)];
};

describe('what becomes of a point', () => {
  it.each(
    WORLDS.flatMap((world) =>
      subjectsOf(world).flatMap((subject) =>
        (['nobody', 'pseudonym'] as const).flatMap((replacement) =>
          eventsOf(world).map((event): readonly [string, Subject, Replacement, InteractionEvent, Schema] => [
            world.name,
            subject,
            replacement,
            event,
            world.schema,
          ]),
        ),
      ),
    ),
  )('is what ingest would write of the erased event: %s %o %s %o', (_, subject, replacement, event, schema) => {
    const text = replacementOf(subject, replacement, key, formatsOf(schema));
    const erasure: Erasure = { subject, replacement, text, schema };
    const after = eraseEvent(event, (kind, id) => (kind === subject.kind && id === subject.id ? text : undefined), key);
    for (const role of ['made', 'received', 'share', 'total'] as const) {
      const found = stored(role, event, schema);
      if (found === undefined) continue;
      const names = [...found.place.fields.values()].some((value) =>
        value.split(pairSeparator(schema)).includes(subject.id),
      );
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
      const fields = new Map([...kept, ...written.fields.split(',')].map((field) => cut(field)));
      expect(Object.fromEntries(fields)).toEqual(Object.fromEntries(wanted.fields.split(',').map(cut)));
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
