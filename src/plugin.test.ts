import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dashboardUid, idKindOf, ID_PRESETS } from '../contract/presets.ts';
import { plugin } from './module.ts';
import { UserpulseDataSource } from './datasource.ts';

const read = (path: string): string => readFileSync(path, 'utf8');

interface PluginJson {
  readonly id: string;
  readonly info: {
    readonly logos: { readonly small: string; readonly large: string };
    readonly screenshots: readonly { readonly path: string }[];
  };
  readonly includes: readonly { readonly path: string }[];
  readonly dependencies: { readonly grafanaDependency: string };
}
interface DashboardJson {
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}
const json = JSON.parse(read('src/plugin.json')) as PluginJson;

describe('plugin.json', () => {
  it('is the same at the root and in src', () => {
    expect(read('plugin.json')).toBe(read('src/plugin.json'));
  });

  it('announces what the plugin can do', () => {
    expect(json).toMatchObject({
      id: 'userpulse-interactions-datasource',
      type: 'datasource',
      backend: true,
      executable: 'gpx_userpulse',
      alerting: true,
      annotations: true,
      streaming: true,
      metrics: true,
    });
    // Grafana's own rule for ids: organisation, name, type.
    expect(json.id).toMatch(/^[a-z0-9]+-[a-z0-9]+-(app|datasource|panel)$/);
  });

  it('leaves version and date to the build', () => {
    expect(json.info).toMatchObject({ version: '%VERSION%', updated: '%TODAY%' });
  });

  it('names files that are there', () => {
    const { logos, screenshots } = json.info;
    for (const path of [logos.small, logos.large, ...json.includes.map(({ path }) => path)]) {
      expect(existsSync(`src/${path}`), path).toBe(true);
    }
    // The build takes them from the documentation's pictures.
    for (const { path } of screenshots) expect(existsSync(`docs/${path}`), path).toBe(true);
  });

  it('has the oldest Grafana that gives plugins React’s jsx runtime', () => {
    expect(json.dependencies.grafanaDependency).toBe('>=12.3.0');
  });
});

it('links to dashboards that are bundled, by their uid and variable', () => {
  for (const preset of ID_PRESETS) {
    const dashboard = JSON.parse(read(`src/dashboards/${preset}.json`)) as DashboardJson;
    expect(dashboard.uid).toBe(dashboardUid(preset));
    expect(dashboard.templating.list.map(({ name }) => name)).toContain(idKindOf(preset));
  }
});

it('registers the data source with its editors', () => {
  expect(plugin.DataSourceClass).toBe(UserpulseDataSource);
  expect(Object.keys(plugin.components).sort()).toEqual(['ConfigEditor', 'QueryEditor', 'QueryEditorHelp']);
});
