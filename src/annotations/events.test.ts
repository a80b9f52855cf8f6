import { createDataFrame, FieldType } from '@grafana/data';
import type { AnnotationQuery, DataFrame } from '@grafana/data';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { dataSource, query, request } from '../testing/datasource.ts';
import type { UserpulseQuery } from '../types.ts';
import { annotationEvents } from './events.ts';
import { annotationSupport } from './support.ts';

const MINUTE = 60_000;
const frame = (values: (number | null)[], interval: number | undefined = MINUTE) =>
  createDataFrame({
    fields: [
      {
        name: 'time',
        type: FieldType.time,
        values: values.map((_, i) => i * MINUTE),
        config: interval ? { interval } : {},
      },
      {
        name: 'count',
        type: FieldType.number,
        values,
        labels: { id: '88', type: 'like' },
        config: { displayNameFromDS: '88 like' },
      },
    ],
  });
const regions = (values: (number | null)[], interval?: number) =>
  annotationEvents({ kind: 'threshold', threshold: 10 }, [frame(values, interval)]).map(({ time = 0, timeEnd = 0 }) => [
    time / MINUTE,
    timeEnd / MINUTE,
  ]);

it.each<[string, (number | null)[], number[][]]>([
  ['nothing where it is not reached', [9, 0, 9.99], []],
  ['a window at the threshold', [0, 10, 0], [[1, 2]]],
  [
    'windows in a row once, from the first’s start to the last’s end',
    [0, 10, 25, 11, 0, 12],
    [
      [1, 4],
      [5, 6],
    ],
  ],
  ['the whole range', [10, 10], [[0, 2]]],
  ['no window without a value', [null, 11, null], [[1, 2]]],
])('marks %s', (_, values, expected) => {
  expect(regions(values)).toEqual(expected);
});

it('takes windows of a month to be as long as the one before, where the last has no end', () => {
  expect(regions([0, 10], 0)).toEqual([[1, 2]]);
});

it('says whom a mark is about and how far it went', () => {
  const [event] = annotationEvents({ kind: 'threshold', threshold: 1000 }, [frame([1500, 2500.5])]);
  expect(event).toMatchObject({
    title: '88 like',
    text: 'At least 1,000, at most 2,500.5',
    tags: ['88', 'like'],
    isRegion: true,
  });
});

it('marks the creation of shares from their ids, without asking the backend', async () => {
  const saved = {
    name: 'Created',
    enable: true,
    iconColor: 'red',
    target: query({ preset: 'share', ids: ['$share'], annotation: { kind: 'created', threshold: 1 } }),
  } as AnnotationQuery<UserpulseQuery>;
  const prepared = annotationSupport.prepareQuery?.(annotationSupport.prepareAnnotation?.(saved) ?? saved);
  const datasource = dataSource({}, { share: ['5f2c9b7a1d4e8a0012ab34cd', 'nonsense'] });
  const { data } = await lastValueFrom(datasource.query(request([prepared!])));
  const events = await firstValueFrom(annotationSupport.processEvents!(saved, data as DataFrame[]));
  expect(events).toEqual([
    {
      time: Date.parse('2020-08-07T00:08:26Z'),
      title: 'Share created',
      text: '5f2c9b7a1d4e8a0012ab34cd',
      tags: ['share'],
    },
  ]);
});

it('is the same object once it is complete, or Grafana would save it, and ask again, for ever', () => {
  const prepare = annotationSupport.prepareAnnotation!;
  for (const target of [{ refId: 'Anno', ids: ['88'] }, { refId: 'Anno', preset: 'nonsense' }, undefined]) {
    const once = prepare({ name: 'x', ...(target !== undefined && { target }) });
    expect(prepare(once)).toBe(once);
  }
});

it('reads an annotation that was saved half filled in', () => {
  expect(annotationSupport.prepareAnnotation?.({ name: 'x', target: { refId: 'Anno', ids: ['88'] } })).toMatchObject({
    target: { version: 1, preset: 'received', ids: ['88'], annotation: { kind: 'threshold', threshold: 100 } },
  });
});
