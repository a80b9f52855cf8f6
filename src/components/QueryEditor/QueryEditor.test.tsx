import { useState } from 'react';
import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent, { PointerEventsCheckLevel } from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { INCOMPLETE_WINDOWS } from '../../../contract/query.ts';
import type { UserpulseDataSource } from '../../datasource.ts';
import { selectors } from '../../selectors.ts';
import { dataSource, query, RANGE } from '../../testing/datasource.ts';
import { texts } from '../../texts.ts';
import type { UserpulseQuery } from '../../types.ts';
import { QueryEditor } from './index.tsx';

const BACKEND = {
  types: { types: ['like', 'share', 'view'] },
  top: {
    top: [
      { id: '88', count: 14060 },
      { id: '9223372036854775807', count: 7 },
    ],
  },
  translate: { results: { A: { flux: 'from(bucket: "b") |> count()' } } },
};

let last: UserpulseQuery;
const onRunQuery = vi.fn();

function Editor({ saved, datasource }: { readonly saved: UserpulseQuery; readonly datasource: UserpulseDataSource }) {
  const [current, setCurrent] = useState(saved);
  last = current;
  return (
    <QueryEditor datasource={datasource} query={current} onChange={setCurrent} onRunQuery={onRunQuery} range={RANGE} />
  );
}

function open(fields: Partial<UserpulseQuery> = {}, variables = {}, backend: Record<string, unknown> = BACKEND) {
  const datasource = dataSource(backend, variables);
  render(<Editor saved={query(fields)} datasource={datasource} />);
  return { user: userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never }), datasource };
}
const field = (label: string) => screen.getByLabelText(label, { selector: 'input' });
const openOptions = () => userEvent.setup({ delay: null }).click(screen.getByRole('button', { name: /^Options/ }));
const problem = () => screen.getByRole('alert').textContent;

beforeEach(() => onRunQuery.mockClear());

describe('ids', () => {
  it.each([
    ['a comma', '88,677,'],
    ['a space', '88 677 '],
    ['Enter', '88{Enter}677{Enter}'],
    ['leaving the input', '88 677{Tab}'],
  ])('end with %s', async (_, keys) => {
    const { user } = open({ preset: 'received' });
    await user.click(field('Users'));
    await user.keyboard(keys);
    expect(last.ids).toEqual(['88', '677']);
    expect(onRunQuery).toHaveBeenCalled();
  });

  it('may be pasted as a list', async () => {
    const { user } = open({ preset: 'received', ids: ['1'] });
    await user.click(field('Users'));
    await user.paste('88\n677, 1;5');
    expect(last.ids).toEqual(['1', '88', '677', '5']);
  });

  it('are taken away by Backspace and by their button', async () => {
    const { user } = open({ preset: 'made', ids: ['1', '2', '3'] });
    await user.click(field('Users'));
    await user.keyboard('{Backspace}');
    expect(last.ids).toEqual(['1', '2']);
    await user.click(screen.getByRole('button', { name: 'Remove 1' }));
    expect(last.ids).toEqual(['2']);
  });

  it('say what is wrong with one of them to those who come to it by keys', async () => {
    open({ preset: 'made', ids: ['88', '0x1'] });
    const note = (id: string) =>
      document.getElementById(
        screen.getByRole('button', { name: `Remove ${id}` }).getAttribute('aria-describedby') ?? '',
      )?.textContent;
    await waitFor(() => expect(note('0x1')).toContain('"0x1" is not a valid user ID.'));
    expect(note('88')).toBeUndefined();
  });

  it('are suggested from the dashboard’s variables and the most active of the time range', async () => {
    const { user, datasource } = open({ preset: 'received' }, { user: ['88'] });
    await user.click(field('Users'));
    const list = await screen.findByRole('listbox', { name: 'Users' });
    await within(list).findByText('14,060 interactions');
    expect(
      within(list)
        .getAllByRole('option')
        .map((option) => option.textContent),
    ).toEqual(['$user', '8814,060 interactions', '92233720368547758077 interactions']);
    expect(datasource.asked.find(({ path }) => path === 'top')?.body).toMatchObject({
      of: 'received',
      from: RANGE.from.valueOf(),
    });
    await user.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    expect(last.ids).toEqual(['88']);
    await user.click(screen.getByRole('option', { name: '$user' }));
    expect(last.ids).toEqual(['88', '$user']);
  });

  it('are counted by the values of variables, not by their entries', async () => {
    const user = Array.from({ length: 51 }, (_, i) => String(i + 1));
    const { user: person } = open({ preset: 'received', ids: ['$user'] }, { user });
    expect(problem()).toContain('51 ids with series of their own');
    await person.click(field('Group by'));
    await person.click(await screen.findByRole('option', { name: 'Type' }));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('can be typed while the backend is down', async () => {
    const { user } = open({ preset: 'received' }, {}, {});
    await user.click(field('Users'));
    await user.keyboard('88{Enter}');
    expect(last.ids).toEqual(['88']);
  });

  it.each([
    ['received', 'Users', 'abc', 'User IDs are whole numbers'],
    ['received', 'Users', '9223372036854775808', 'too large'],
    ['share', 'Shares', '5F2C9B7A1D4E8A0012AB34CD', 'lower case'],
  ] as const)('of %s say what is wrong with them', async (preset, label, typed, text) => {
    const { user } = open({ preset });
    await user.click(field(label));
    await user.keyboard(`${typed}{Enter}`);
    expect(problem()).toContain(text);
    expect(field(label).getAttribute('aria-invalid')).toBe('true');
    expect(document.getElementById(field(label).getAttribute('aria-describedby') ?? '')?.textContent).toContain(text);
  });

  it('are of the format that the backend has', async () => {
    const schema = { ids: { user: 'text', share: 'text' } };
    const { user } = open({ preset: 'received', ids: ['did:plc:7'] }, {}, { schema });
    await user.click(field('Users'));
    await user.keyboard('a"b{Enter}');
    await waitFor(() => expect(problem()).toContain('1 to 128 characters'));
    await user.click(screen.getByRole('button', { name: 'Remove a"b' }));
    expect(last.ids).toEqual(['did:plc:7']);
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('say that one is missing, and what one looks like', () => {
    open({ preset: 'share' });
    expect(problem()).toContain('needs a share ID');
  });

  it('of a share tell when it was created', () => {
    open({ preset: 'share', ids: ['5f2c9b7a1d4e8a0012ab34cd'] });
    expect(screen.getByTestId(selectors.queryEditor.idChip).title).toBe('Created 2020-08-07 00:08:26 UTC, by its id');
  });

  it('stay when another question is looked at', async () => {
    const { user } = open({ preset: 'received', ids: ['88'] });
    await user.click(screen.getByLabelText('Everyone'));
    expect(screen.queryByLabelText('Users')).toBeNull();
    // Saved with a query that takes none, the backend would refuse them.
    expect(last.ids).toEqual([]);
    await user.click(screen.getByLabelText('Made by user'));
    expect(last).toMatchObject({ preset: 'made', ids: ['88'] });
    await user.click(screen.getByLabelText('Received by share'));
    expect(last).toMatchObject({ preset: 'share', ids: [] });
  });
});

describe('types', () => {
  it('are offered by the backend, beside the variables, and several can be chosen', async () => {
    const { user } = open({}, { type: ['like'] });
    await user.click(field('Types'));
    await user.click(await screen.findByRole('option', { name: /like/ }));
    await user.click(await screen.findByRole('option', { name: /\$type/ }));
    expect(last.types).toEqual(['like', '$type']);
  });

  it('say what is wrong with one of them to those who do not see it', () => {
    open({ types: ['Like!'] });
    expect(problem()).toContain('type "Like!" is not valid');
    expect(field('Types').getAttribute('aria-invalid')).toBe('true');
    expect(document.getElementById(field('Types').getAttribute('aria-describedby') ?? '')?.textContent).toContain(
      'type "Like!" is not valid',
    );
  });
});

describe('windows and comparison', () => {
  it('take effect when the text is finished, and are judged as they are typed', async () => {
    const { user } = open();
    await user.clear(field('Interval'));
    await user.type(field('Interval'), '10x');
    expect(problem()).toContain('"10x" is not a duration');
    expect(last.every).toBe('auto');
    await user.keyboard('{Backspace}m{Enter}');
    expect(screen.queryByRole('alert')).toBeNull();
    expect(last.every).toBe('10m');
    expect(onRunQuery).toHaveBeenCalledTimes(1);
  });

  it('say when the windows are too many for the time range', async () => {
    const { user } = open();
    await user.clear(field('Interval'));
    await user.type(field('Interval'), '1s{Tab}');
    expect(problem()).toContain('21,600 windows');
  });

  it('are offered in a list that keys and mouse can use', async () => {
    const { user } = open();
    await openOptions();
    await user.click(field('Compare with'));
    await user.click(screen.getByRole('option', { name: /1 week earlier/ }));
    expect(last.compareTo).toBe('1w');
    await user.clear(field('Compare with'));
    await user.tab();
    expect(last).not.toHaveProperty('compareTo');
  });

  it('need none for a total', () => {
    open({ calc: 'total' });
    expect(screen.queryByLabelText('Interval')).toBeNull();
    expect(screen.queryByLabelText('Live')).toBeNull();
  });
});

it('splits by what is chosen', async () => {
  const { user } = open({ preset: 'made', ids: ['1'] });
  await user.click(field('Group by'));
  await user.click(await screen.findByRole('option', { name: 'Nothing (one sum)' }));
  expect(last.groupBy).toEqual([]);
});

it('refuses a legend field that does not exist', async () => {
  const { user } = open();
  await openOptions();
  await user.type(field('Legend'), '{{{{user}}');
  expect(problem()).toContain('{{user}} is not known');
});

it('asks a ranking of whom and how many', async () => {
  const { user } = open({ preset: 'top' });
  expect(last.of).toBeUndefined();
  await user.click(field('Ranking'));
  await user.click(await screen.findByRole('option', { name: /Shares/ }));
  await user.clear(field('How many'));
  await user.type(field('How many'), '25{Enter}');
  expect(last).toMatchObject({ preset: 'top', of: 'share', n: 25 });
  expect(screen.queryByLabelText('Interval')).toBeNull();
});

it('asks of two users in which direction, and of no different people', async () => {
  const { user } = open({ preset: 'made', ids: ['88', '677', '5'], calc: 'unique' });
  await user.click(screen.getByLabelText('Two users'));
  expect(last).toMatchObject({ preset: 'pair', ids: ['88', '677'], calc: 'count' });
  await user.click(field('Direction'));
  await user.click(await screen.findByRole('option', { name: /Both ways/ }));
  expect(last.direction).toBe('both');
  await user.click(field('Calculation'));
  expect(await screen.findByRole('option', { name: /Total/ })).toBeTruthy();
  expect(screen.queryByRole('option', { name: /Reach|Unique/ })).toBeNull();
  await user.click(screen.getByLabelText('Made by user'));
  expect(last).not.toHaveProperty('direction');
});

it('asks who, of a user or a share', async () => {
  const { user } = open({ preset: 'received', ids: ['88', '677'] });
  await user.click(screen.getByLabelText('Who'));
  expect(last).toMatchObject({ preset: 'who', ids: ['88'] });
  expect(screen.queryByLabelText('Interval')).toBeNull();
  await user.click(field('Ranking'));
  await user.click(await screen.findByRole('option', { name: /Who interacted with a share/ }));
  expect(last).toMatchObject({ preset: 'who', of: 'share', ids: [] });
  expect(screen.getByLabelText('Shares')).toBeTruthy();
});

it('shows different people in windows, and reach without them', async () => {
  const { user } = open({ preset: 'received', ids: ['88'], calc: 'unique' });
  expect(field('Interval')).toBeTruthy();
  await user.click(field('Calculation'));
  await user.click(await screen.findByRole('option', { name: /Reach/ }));
  expect(last.calc).toBe('reach');
  expect(screen.queryByLabelText('Interval')).toBeNull();
});

describe('the options', () => {
  const toggle = () => screen.getByRole('button', { name: /^Options/ });

  it('are folded, and say what is in them', async () => {
    const { user } = open();
    expect(toggle().textContent).toBe('Options Comparison, legend, time zone, incomplete windows, live');
    expect(toggle().getAttribute('aria-expanded')).toBe('false');
    expect(screen.queryByLabelText('Legend')).toBeNull();
    toggle().focus();
    await user.keyboard('{Enter}');
    expect(toggle().getAttribute('aria-expanded')).toBe('true');
    expect(field('Legend')).toBeDefined();
  });

  it('say what was chosen while they are folded', () => {
    open({ compareTo: '1w', timezone: 'Europe/Berlin', incomplete: 'hide', live: true });
    expect(toggle().textContent).toBe(
      `Options Compare with: 1w · Time zone: Europe/Berlin · Incomplete windows: ${INCOMPLETE_WINDOWS.hide.label} · Live: on`,
    );
  });

  it.each([
    ['a comparison', { compareTo: 'yesterday' }],
    ['a legend', { legend: '{{user}}' }],
  ])('are open where %s is wrong, for a problem is never folded away', async (_, fields) => {
    const { user } = open(fields);
    expect(problem()).toMatch(/yesterday|user/);
    await user.click(toggle());
    expect(problem()).toMatch(/yesterday|user/);
  });

  it('stay open while somebody corrects what opened them', async () => {
    const { user } = open({ compareTo: 'yesterday' });
    await user.clear(field('Compare with'));
    await user.keyboard('1d');
    expect(screen.queryByRole('alert')).toBeNull();
    expect(document.activeElement).toBe(field('Compare with'));
    await user.keyboard('{Enter}');
    expect(last.compareTo).toBe('1d');
    await user.click(toggle());
    expect(toggle().textContent).toBe('Options Compare with: 1d');
  });

  it.each([{ live: 'yes' }, { timezone: 5 }])('are open where the backend refuses one: %j', (fields) => {
    open(fields as unknown as Partial<UserpulseQuery>);
    expect(toggle().getAttribute('aria-expanded')).toBe('true');
  });

  it('of a total are fewer', () => {
    open({ calc: 'total' });
    expect(toggle().textContent).toBe('Options Comparison, legend, time zone');
  });

  it('are none of a ranking', () => {
    open({ preset: 'top' });
    expect(screen.queryByRole('button', { name: /^Options/ })).toBeNull();
  });
});

describe('a saved query that the backend refuses', () => {
  const wrong = { preset: 'likes', ids: ['88'], window: '1h' } as unknown as Partial<UserpulseQuery>;

  it('shows why, in the backend’s words, and is not corrected by changing something else', async () => {
    const { user, datasource } = open(wrong);
    expect(problem()).toContain(
      'preset "likes" is not known. Use one of made, received, share, everyone, pair, who, top.',
    );
    expect(problem()).toContain('"window" is not a field of a query.');
    for (const radio of screen.getAllByRole('radio')) expect(radio).toHaveProperty('checked', false);
    await openOptions();
    await user.click(field('Live'));
    expect(last).toMatchObject({ ...wrong, live: true });
    await user.click(screen.getByRole('button', { name: /^Flux/ }));
    expect(datasource.asked.some(({ path }) => path === 'translate')).toBe(false);
  });

  it('loses what is wrong when somebody asks for it', async () => {
    const { user } = open(wrong);
    await user.click(screen.getByRole('button', { name: 'Remove what is refused' }));
    expect(last).toEqual(query());
  });
});

it('has a control for every field of a query', () => {
  // Of one with ids the options are open, for one of them is wrong.
  const editors: Partial<UserpulseQuery>[] = [
    { preset: 'made', legend: '{{user}}' },
    { preset: 'share' },
    { preset: 'top' },
    { preset: 'pair' },
  ];
  const shown = editors.flatMap((fields) => {
    const { unmount } = render(<Editor saved={query(fields)} datasource={dataSource(BACKEND)} />);
    const found = Object.values({ ...texts.query, ...texts.ids }).filter(
      ({ label }) => screen.queryAllByLabelText(label).length > 0,
    );
    unmount();
    return found.map(({ label }) => label);
  });
  expect(new Set(shown)).toEqual(new Set(Object.values({ ...texts.query, ...texts.ids }).map(({ label }) => label)));
});

it('switches live on', async () => {
  const { user } = open();
  await openOptions();
  await user.click(field('Live'));
  expect(last.live).toBe(true);
});

describe('the Flux', () => {
  it('is asked for when it is shown, with the variables replaced and the panel’s range', async () => {
    const { user, datasource } = open({ preset: 'made', ids: ['$user'] }, { user: ['88', '677'] });
    expect(datasource.asked.some(({ path }) => path === 'translate')).toBe(false);
    await user.click(screen.getByRole('button', { name: /^Flux/ }));
    expect((await screen.findByTestId(selectors.queryEditor.fluxText)).textContent).toBe(
      'from(bucket: "b") |> count()',
    );
    expect(datasource.asked.find(({ path }) => path === 'translate')?.body).toMatchObject({
      from: RANGE.from.valueOf(),
      to: RANGE.to.valueOf(),
      queries: [{ refId: 'A', preset: 'made', ids: ['88', '677'], every: 'auto' }],
    });
    expect(screen.getByRole('button', { name: 'Copy' })).toBeTruthy();
  });

  it('is not asked for while the query is incomplete', async () => {
    const { user, datasource } = open({ preset: 'made' });
    await user.click(screen.getByRole('button', { name: /^Flux/ }));
    expect(screen.getByText(/Complete the query above/)).toBeTruthy();
    expect(datasource.asked.some(({ path }) => path === 'translate')).toBe(false);
  });

  it('gives way to the backend’s own words when there is none', async () => {
    const { user } = open({}, {}, { translate: { results: { A: { error: 'every "1s" gives too many windows.' } } } });
    await user.click(screen.getByRole('button', { name: /^Flux/ }));
    expect(await screen.findByText(/gives too many windows/)).toBeTruthy();
  });
});

it('gives every control a label of its own in each query of a panel', () => {
  const datasource = dataSource(BACKEND);
  render(
    <>
      <Editor saved={query({ refId: 'A' })} datasource={datasource} />
      <Editor saved={query({ refId: 'B' })} datasource={datasource} />
    </>,
  );
  const ids = [...document.querySelectorAll('input[id]')].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const input of document.querySelectorAll('input')) expect(input.labels?.length, input.id).toBeGreaterThan(0);
});

it('says what happened when it breaks, and works again with another query', async () => {
  const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const datasource = dataSource(BACKEND);
  const broken = Object.assign(dataSource(BACKEND), {
    variableNames: () => {
      throw new Error('no variables');
    },
  });
  const { rerender } = render(
    <QueryEditor
      datasource={broken}
      query={query({ preset: 'made' })}
      onChange={() => undefined}
      onRunQuery={onRunQuery}
    />,
  );
  expect(screen.getByText('no variables')).toBeTruthy();
  act(() =>
    rerender(
      <QueryEditor datasource={datasource} query={query()} onChange={() => undefined} onRunQuery={onRunQuery} />,
    ),
  );
  await waitFor(() => expect(screen.getByTestId(selectors.queryEditor.root)).toBeTruthy());
  quiet.mockRestore();
});
