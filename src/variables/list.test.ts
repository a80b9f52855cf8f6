import type { DataFrame, DataQueryRequest } from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { readSavedVariable } from '../query/saved.ts';
import { dataSource, RANGE, request } from '../testing/datasource.ts';
import type { UserpulseVariableQuery } from '../types.ts';

const BACKEND = {
  types: { types: ['view', 'like'] },
  top: {
    top: [
      { id: '14454', count: 9 },
      { id: '14459', count: 8 },
      { id: '88', count: 7 },
    ],
  },
  who: { who: [{ id: '677', count: 3 }], people: 1 },
  schema: { prefix: { user: 'first:4', share: 'last:6' } },
};

async function values(query: object, backend: Record<string, unknown> = BACKEND) {
  const datasource = dataSource(backend, { kind: ['like', 'view'], user: '88', several: ['88', '677'] });
  const asked = { ...request([]), targets: [query] } as unknown as DataQueryRequest<UserpulseVariableQuery>;
  const { data } = await lastValueFrom(datasource.variables.query(asked));
  const fields = (data[0] as DataFrame).fields.map((field) => [field.name, [...(field.values as string[])]]);
  return { ...(Object.fromEntries(fields) as Record<'text' | 'value', string[]>), asked: datasource.asked };
}

it('offers the types of the time range by name', async () => {
  const { text, value, asked } = await values({ list: 'types' });
  expect(text).toEqual(['like', 'view']);
  expect(value).toEqual(text);
  expect(asked).toEqual([{ path: 'types', body: { from: RANGE.from.valueOf(), to: RANGE.to.valueOf() } }]);
});

it('offers the leading ids by their interactions, of types that may be a variable', async () => {
  const { value, asked } = await values({ list: 'top', of: 'made', n: 3, types: ['$kind'] });
  expect(value).toEqual(['14454', '14459', '88']);
  expect(asked[0]).toMatchObject({ path: 'top', body: { of: 'made', n: 3, types: 'like,view' } });
});

it('offers the people around one user, who may be a variable', async () => {
  const { value, asked } = await values({ list: 'who', id: '$user', of: 'received', n: 5 });
  expect(value).toEqual(['677']);
  expect(asked.at(-1)).toMatchObject({ path: 'who', body: { of: 'received', id: '88', n: 5 } });
  await expect(values({ list: 'who', id: '$several' })).rejects.toThrow('takes one user ID, not 2.');
  await expect(values({ list: 'who' })).rejects.toThrow('needs a user ID.');
  await expect(values({ list: 'who', id: '88', of: 'share' })).rejects.toThrow('"88" is not a valid share ID.');
});

it('offers each prefix once, by the scheme that the backend has', async () => {
  expect((await values({ list: 'prefixes', of: 'made' })).value).toEqual(['1445', '88']);
  expect((await values({ list: 'prefixes', of: 'share' })).value).toEqual(['14454', '14459', '88']);
});

it('offers types for a query that is only a word, as provisioned files may have it', () => {
  expect(readSavedVariable('top').query.list).toBe('top');
});

it('refuses a query that is wrong instead of offering something else', async () => {
  await expect(values({ list: 'shares' })).rejects.toThrow(
    'list "shares" is not known. Use one of types, top, who, prefixes.',
  );
  await expect(values({ list: 'top', of: 'everyone' })).rejects.toThrow('of "everyone" is not known.');
  await expect(values({ list: 'top', n: '5' })).rejects.toThrow('n must be a whole number from 1 to 1000');
});

it('fails with the backend’s words', async () => {
  await expect(values({ list: 'types' }, { types: new Error('InfluxDB cannot be reached.') })).rejects.toThrow(
    'InfluxDB',
  );
});

it('has a default query: a new variable lists something without another list having to be chosen first', () => {
  expect(dataSource().variables.getDefaultQuery()).toMatchObject({
    version: 1,
    list: 'types',
    of: 'received',
    n: 20,
    types: [],
  });
});
