import { useState } from 'react';
import type { DataSourceSettings } from '@grafana/data';
import { render, screen, within } from '@testing-library/react';
import userEvent, { PointerEventsCheckLevel } from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { annotationSupport } from '../annotations/support.ts';
import { EXAMPLES } from '../query/examples.ts';
import { readSavedVariable } from '../query/saved.ts';
import { selectors } from '../selectors.ts';
import { dataSource, query, RANGE } from '../testing/datasource.ts';
import type { UserpulseOptions, UserpulseQuery, UserpulseSecrets, UserpulseVariableQuery } from '../types.ts';
import { AnnotationEditor } from './AnnotationEditor.tsx';
import { ConfigEditor } from './ConfigEditor.tsx';
import { QueryEditorHelp } from './QueryEditorHelp.tsx';
import { VariableEditor } from './VariableEditor.tsx';

const BACKEND = { types: { types: ['like', 'view'] }, top: { top: [] } };
const field = (label: string) => screen.getByLabelText(label, { selector: 'input, textarea' });

describe('the settings page', () => {
  type Settings = DataSourceSettings<UserpulseOptions, UserpulseSecrets>;
  const blank: Settings = {
    id: 1,
    uid: 'userpulse',
    orgId: 1,
    name: 'Userpulse',
    typeLogoUrl: '',
    type: '',
    typeName: '',
    access: 'proxy',
    url: '',
    user: '',
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- Grafana's type still requires it
    database: '',
    basicAuth: false,
    basicAuthUser: '',
    isDefault: true,
    jsonData: {},
    secureJsonFields: {},
    readOnly: false,
    withCredentials: false,
  };
  let last: Settings;
  function Page({ saved }: { readonly saved: Settings }) {
    const [options, setOptions] = useState(saved);
    last = options;
    return <ConfigEditor options={options} onOptionsChange={setOptions} />;
  }
  const open = (fields: Partial<Settings> = {}) => {
    render(<Page saved={{ ...blank, ...fields }} />);
    return userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never });
  };

  it('saves address, token and timeout under the names that the gateway reads', async () => {
    const user = open();
    await user.type(field('URL'), 'http://userpulse:8088 ');
    await user.type(field('API token'), 'secret');
    await user.type(field('Timeout (seconds)'), '60');
    await user.tab();
    expect(last).toMatchObject({
      url: 'http://userpulse:8088',
      jsonData: { timeout: 60 },
      secureJsonData: { apiToken: 'secret' },
    });
  });

  it.each([
    ['', 'Enter the backend’s address'],
    ['userpulse:8088', 'http:// or https://'],
    ['ftp://userpulse', 'http:// or https://'],
  ])('says what is wrong with the address "%s" once it was left', async (typed, text) => {
    const user = open();
    expect(screen.queryByRole('alert')).toBeNull();
    await user.click(field('URL'));
    if (typed) await user.keyboard(typed);
    await user.tab();
    expect(screen.getByRole('alert').textContent).toContain(text);
  });

  it.each(['0', '601', '1.5'])('does not take a timeout of %s', async (typed) => {
    const user = open({ url: 'http://u', jsonData: { timeout: 30 } });
    await user.clear(field('Timeout (seconds)'));
    await user.type(field('Timeout (seconds)'), typed);
    expect(screen.getByRole('alert').textContent).toContain('1 to 600');
    expect(last.jsonData.timeout).not.toBe(Number(typed));
  });

  it('never shows a saved token, and forgets it on Reset', async () => {
    const user = open({ secureJsonFields: { apiToken: true } });
    expect(field('API token')).toHaveProperty('disabled', true);
    await user.click(screen.getByRole('button', { name: 'Reset' }));
    expect(last.secureJsonFields).toEqual({ apiToken: false });
    await user.type(field('API token'), 'new');
    expect(last.secureJsonData?.apiToken).toBe('new');
  });

  it('asks for certificates only where they are wanted', async () => {
    const user = open();
    expect(screen.queryByLabelText('CA certificate')).toBeNull();
    await user.click(field('Own CA certificate'));
    await user.type(field('CA certificate'), 'PEM');
    await user.click(field('Client certificate'));
    await user.type(field('Client key (PEM)'), 'KEY');
    expect(last.jsonData).toEqual({ tlsAuthWithCACert: true, tlsAuth: true });
    expect(last.secureJsonData).toEqual({ tlsCACert: 'PEM', tlsClientKey: 'KEY' });
  });

  it('saves who asks, basic authentication and headers under the names that Grafana and the gateway read', async () => {
    const user = open();
    await user.click(field('Send the user’s name'));
    await user.click(field('Basic authentication'));
    await user.type(field('User'), 'proxy');
    await user.type(field('Password'), 'secret');
    await user.click(screen.getByRole('button', { name: 'Add header' }));
    await user.type(screen.getByPlaceholderText('X-Custom-Header'), 'X-Tenant');
    await user.type(screen.getByPlaceholderText('Header Value'), 'blue');
    await user.tab();
    expect(last).toMatchObject({
      basicAuth: true,
      basicAuthUser: 'proxy',
      jsonData: { sendUser: true, httpHeaderName1: 'X-Tenant' },
      secureJsonData: { basicAuthPassword: 'secret', httpHeaderValue1: 'blue' },
    });
  });

  it('can only be read where it was provisioned', () => {
    open({
      readOnly: true,
      url: 'http://u',
      jsonData: { tlsAuthWithCACert: true },
      secureJsonFields: { apiToken: true },
    });
    expect(screen.queryByRole('button', { name: 'Reset' })).toBeNull();
    expect(screen.getByText(/provisioned from a file/)).toBeTruthy();
    for (const input of document.querySelectorAll<HTMLInputElement>('input, textarea'))
      expect(input.disabled, input.id).toBe(true);
  });
});

describe('a variable', () => {
  let last: UserpulseVariableQuery;
  function Page() {
    const [saved, setSaved] = useState(readSavedVariable('types').query);
    last = saved;
    return (
      <VariableEditor datasource={dataSource(BACKEND)} query={saved} onChange={setSaved} onRunQuery={() => undefined} />
    );
  }

  it('lists types, or the ids that lead', async () => {
    render(<Page />);
    const user = userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never });
    expect(screen.queryByLabelText('How many')).toBeNull();
    await user.click(field('List'));
    await user.click(await screen.findByRole('option', { name: /Top users/ }));
    await user.click(field('Ranking'));
    await user.click(await screen.findByRole('option', { name: /Shares/ }));
    await user.clear(field('How many'));
    await user.type(field('How many'), '0');
    expect(screen.getByRole('alert').textContent).toContain('1 to 1000');
    await user.clear(field('How many'));
    await user.type(field('How many'), '50{Tab}');
    expect(last).toMatchObject({ version: 1, list: 'top', of: 'share', n: 50 });
  });

  it('lists the people around one, who may be a variable', async () => {
    render(<Page />);
    const user = userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never });
    await user.click(field('List'));
    await user.click(await screen.findByRole('option', { name: /People around one/ }));
    await user.type(field('User or share'), '$user{Enter}');
    await user.click(field('Ranking'));
    await user.click(await screen.findByRole('option', { name: /With whom a user interacted/ }));
    expect(last).toMatchObject({ list: 'who', id: '$user', of: 'made' });
  });
});

describe('an annotation', () => {
  let last: UserpulseQuery;
  function Page() {
    const [saved, setSaved] = useState<UserpulseQuery>({
      refId: 'Anno',
      ...annotationSupport.getDefaultQuery?.(),
    } as UserpulseQuery);
    last = saved;
    return (
      <AnnotationEditor
        datasource={dataSource(BACKEND)}
        query={saved}
        onChange={setSaved}
        onRunQuery={() => undefined}
        range={RANGE}
      />
    );
  }

  it('marks where a user passes a threshold', async () => {
    render(<Page />);
    const user = userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never });
    await user.click(field('Users'));
    await user.keyboard('88{Enter}');
    await user.click(field('Calculation'));
    await user.click(await screen.findByRole('option', { name: /Rate/ }));
    await user.clear(field('At least'));
    await user.type(field('At least'), '2.5{Enter}');
    expect(last).toMatchObject({
      preset: 'received',
      ids: ['88'],
      calc: 'rate',
      annotation: { kind: 'threshold', threshold: 2.5 },
    });
  });

  it('marks when shares were created', async () => {
    render(<Page />);
    const user = userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never });
    await user.click(field('Mark'));
    await user.click(await screen.findByRole('option', { name: /Share created/ }));
    await user.click(field('Shares'));
    await user.keyboard('5f2c9b7a1d4e8a0012ab34cd{Enter}');
    expect(last).toMatchObject({ preset: 'share', annotation: { kind: 'created' } });
    expect(screen.queryByLabelText('At least')).toBeNull();
  });
});

it('gives an example of the help page to the query it is opened from', async () => {
  const onClickExample = vi.fn();
  render(<QueryEditorHelp datasource={dataSource()} query={query({ refId: 'C' })} onClickExample={onClickExample} />);
  const examples = screen.getAllByTestId(selectors.help.example);
  expect(examples).toHaveLength(EXAMPLES.length);
  await userEvent.click(within(examples[0]!).getByText(EXAMPLES[0]!.title));
  expect(onClickExample).toHaveBeenCalledWith({ refId: 'C', ...EXAMPLES[0]!.query });
});
