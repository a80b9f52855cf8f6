import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import plugin from '../../src/plugin.json' with { type: 'json' };
import { ALERT_DATASOURCES, alertRules } from './alerts.ts';
import { dashboardJson, dashboards } from './dashboards.ts';
import { PLUGIN_ID } from './query.ts';

const root = new URL('../../', import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const names = Object.keys(dashboards);

interface Target {
  refId: string;
  datasource: { type: string; uid: string };
  version?: number;
  legend?: string;
}
interface DashboardModel {
  uid: string;
  panels: {
    id: number;
    title: string;
    datasource: { type: string; uid: string };
    targets: Target[];
    gridPos: { x: number; w: number };
  }[];
  templating: { list?: { name: string; type: string; datasource?: { uid: string } }[] };
}
const model = (name: string): DashboardModel => JSON.parse(text(`src/dashboards/${name}.json`)) as DashboardModel;

describe.each(names)('dashboard %s', (name) => {
  it('is the one that the TypeScript makes (else: npx tsx provisioning/typescript/generate.ts)', () => {
    expect(text(`src/dashboards/${name}.json`)).toBe(dashboardJson(dashboards[name]!));
  });

  it('names no data source instance, only variables that it declares; a public one the instance, as it has no variables', () => {
    const {
      panels,
      templating: { list = [] },
    } = model(name);
    const declared = new Set(name === 'public' ? ['userpulse'] : list.map((variable) => `\${${variable.name}}`));
    if (name === 'public') expect(list).toEqual([]);
    for (const panel of panels) {
      for (const { uid } of [panel.datasource, ...panel.targets.map((target) => target.datasource)])
        expect(declared).toContain(uid);
    }
    for (const variable of list)
      if (variable.datasource !== undefined) expect(declared).toContain(variable.datasource.uid);
  });

  it('gives every panel an id and a title of its own', () => {
    const { panels } = model(name);
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
    expect(new Set(panels.map((panel) => panel.title)).size).toBe(panels.length);
    for (const panel of panels) expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
  });

  it('uses only variables that it declares', () => {
    const source = text(`src/dashboards/${name}.json`);
    const declared = new Set(model(name).templating.list?.map((variable) => variable.name));
    for (const [, variable] of source.matchAll(/"\$(?:\{(\w+)\}|(\w+))"/g))
      if (variable !== undefined) expect(declared).toContain(variable);
  });

  it('is bundled by the plugin', () => {
    expect(plugin.includes.map((include) => include.path)).toContain(`dashboards/${name}.json`);
  });
});

it('gives each dashboard a uid of its own', () => {
  expect(new Set(names.map((name) => model(name).uid)).size).toBe(names.length);
});

describe('provisioned data sources', () => {
  const { datasources } = parse(text('provisioning/datasources/userpulse.yaml')) as {
    datasources: { uid: string; type: string; secureJsonData?: Record<string, string> }[];
  };

  it('are the ones that the alert rules query', () => {
    const provisioned = Object.fromEntries([
      ...datasources.map(({ uid, type }) => [uid, type]),
      ['__expr__', '__expr__'],
    ]);
    expect(provisioned).toEqual(ALERT_DATASOURCES);
  });

  it('hold no secret: each comes from the environment', () => {
    for (const source of datasources)
      for (const value of Object.values(source.secureJsonData ?? {})) expect(value).toMatch(/^\$[A-Z_]+$/);
    expect(datasources.map((source) => source.type)).toContain(PLUGIN_ID);
  });
});

describe('alert rules', () => {
  it('are the ones that the TypeScript makes', () => {
    expect(JSON.parse(text('provisioning/alerting/rules.json'))).toEqual(alertRules);
  });

  it('have nothing that Grafana would have to replace: it takes models and annotations as they stand', () => {
    for (const { data, annotations } of alertRules.groups.flatMap((group) => group.rules)) {
      expect(JSON.stringify(data)).not.toContain('$');
      // What is left is for the alert's own template.
      for (const text of Object.values(annotations))
        expect(text.replace(/\{\{ \$(labels|values)\.\w+ \}\}/g, '')).not.toContain('$');
    }
  });

  it('have a folder of their own: by another way of finding it, one title would make two', () => {
    const { providers } = parse(text('provisioning/dashboards/userpulse.yaml')) as { providers: { folder: string }[] };
    expect(providers.map(({ folder }) => folder)).not.toContain(alertRules.groups[0].folder);
  });

  it('query known data sources, and their condition is one of their queries', () => {
    for (const rule of alertRules.groups.flatMap((group) => group.rules)) {
      expect(rule.data.map((query) => query.refId)).toContain(rule.condition);
      for (const query of rule.data) expect(Object.keys(ALERT_DATASOURCES)).toContain(query.datasourceUid);
    }
  });
});

describe('docker-compose.yml', () => {
  const compose = parse(text('docker-compose.yml'), { merge: true }) as {
    services: Record<
      string,
      { image?: string; build?: { dockerfile: string }; ports?: string[]; environment?: Record<string, string> }
    >;
  };

  it('builds from files that are there, and pins what it pulls', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      if (service.build !== undefined) expect(existsSync(new URL(service.build.dockerfile, root)), name).toBe(true);
      else expect(service.image, name).toMatch(/:(\$\{\w+:-)?v?\d+\.\d+\.\d+\}?$/);
    }
  });

  it('opens its ports on loopback only', () => {
    for (const service of Object.values(compose.services))
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('gives Grafana every variable that provisioning reads', () => {
    const read = ['datasources/userpulse.yaml', 'alerting/rules.json'].flatMap((file) =>
      [...text(`provisioning/${file}`).matchAll(/(?<!\$)\$([A-Z][A-Z_]+)/g)].map(([, variable]) => variable),
    );
    for (const variable of read)
      expect(Object.keys(compose.services['grafana']?.environment ?? {})).toContain(variable);
  });
});
