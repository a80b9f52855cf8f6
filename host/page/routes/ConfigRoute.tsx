import type { DataSourceInstanceSettings, DataSourceJsonData, DataSourceSettings } from '@grafana/data';
import { config, getDataSourceSrv } from '@grafana/runtime';
import { Alert, Button, Field, Input } from '@grafana/ui';
import { useState } from 'react';
import { instantiate, loadPlugin } from '../services/plugin.ts';
import { Loaded } from './useLoaded.tsx';

type Options = DataSourceSettings<DataSourceJsonData, Record<string, string>>;
type Outcome =
  | { readonly kind: 'untested' | 'testing' }
  | { readonly kind: 'success' | 'error'; readonly message: string; readonly details: string | undefined };

function instance(): DataSourceInstanceSettings {
  const [first] = Object.values(config.datasources);
  if (!first) throw new Error('The Go host has no data source.');
  return first;
}

async function current(): Promise<Options> {
  const { uid, id } = instance();
  const saved = (await (await fetch(`/api/datasources/uid/${uid}`)).json()) as Partial<Options>;
  const empty = {
    orgId: 1,
    access: 'proxy',
    user: '',
    database: '',
    basicAuth: false,
    basicAuthUser: '',
    isDefault: true,
    withCredentials: false,
    readOnly: false,
    typeLogoUrl: '',
    typeName: 'Userpulse',
  };
  return { ...empty, id, version: 1, jsonData: {}, secureJsonFields: {}, ...saved } as Options;
}

async function save({ uid, url, jsonData, secureJsonData }: Options): Promise<void> {
  const response = await fetch(`/api/datasources/uid/${uid}/settings`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ url, jsonData, ...(secureJsonData && { secureJsonData }) }),
  });
  if (!response.ok) throw new Error(((await response.json()) as { message: string }).message);
}

/** As Grafana's own page: saves, then asks the data source to test itself and shows its words. */
async function test(): Promise<Outcome> {
  try {
    const result = (await (await instantiate(instance())).testDatasource()) as { message: string };
    return { kind: 'success', message: result.message, details: undefined };
  } catch (thrown) {
    const { message = String(thrown), error } = thrown as {
      message?: string;
      error?: { details?: { message?: string; verboseMessage?: string } };
    };
    return { kind: 'error', message, details: error?.details?.verboseMessage ?? error?.details?.message };
  }
}

function Result({ outcome }: { outcome: Outcome }) {
  switch (outcome.kind) {
    case 'untested':
      return null;
    case 'testing':
      return <Alert severity="info" title="Testing …" />;
    case 'success':
    case 'error':
      return (
        <Alert severity={outcome.kind} title={outcome.message} data-testid="data-testid Alert test result">
          {outcome.details !== undefined && (
            <pre style={{ whiteSpace: 'pre-wrap', marginBottom: 0 }}>{outcome.details}</pre>
          )}
        </Alert>
      );
    default:
      return outcome satisfies never;
  }
}

function Editor({
  saved,
  ConfigEditor,
}: {
  saved: Options;
  ConfigEditor: React.ComponentType<{ options: Options; onOptionsChange: (options: Options) => void }>;
}) {
  const [options, change] = useState(saved);
  const [outcome, setOutcome] = useState<Outcome>({ kind: 'untested' });
  const saveAndTest = async () => {
    setOutcome({ kind: 'testing' });
    try {
      await save(options);
      change({ ...(await current()), name: options.name });
      setOutcome(await test());
    } catch (error) {
      setOutcome({
        kind: 'error',
        message: error instanceof Error ? error.message : String(error),
        details: undefined,
      });
    }
  };
  return (
    <div style={{ maxWidth: 820 }}>
      <h1 className="h3">Data source settings</h1>
      <Field label="Name" noMargin style={{ marginBottom: 16 }}>
        <Input id="name" value={options.name} readOnly width={40} />
      </Field>
      <ConfigEditor options={options} onOptionsChange={change} />
      <div style={{ marginTop: 24 }}>
        <Result outcome={outcome} />
        <Button onClick={() => void saveAndTest()}>Save &amp; test</Button>
      </div>
    </div>
  );
}

export function ConfigRoute() {
  const load = async () => {
    const [saved, plugin] = await Promise.all([current(), loadPlugin(instance().meta), getDataSourceSrv().get()]);
    const { ConfigEditor } = plugin.components;
    if (!ConfigEditor) throw new Error('The plugin has no config editor.');
    return { saved, ConfigEditor: ConfigEditor as unknown as Parameters<typeof Editor>[0]['ConfigEditor'] };
  };
  return (
    <Loaded dependsOn="" load={load}>
      {(props) => <Editor {...props} />}
    </Loaded>
  );
}
