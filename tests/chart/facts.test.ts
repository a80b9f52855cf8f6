import { readdir, readFile } from 'node:fs/promises';
import { Registry } from 'prom-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { settingDocs } from '../../backend/src/config.ts';
import { createIngestMetrics, registerGauges } from '../../backend/src/ingest/metrics.ts';
import { metricsIn } from './support/promql.ts';
import { merge, render, type Values } from './support/render.ts';
import type { KubeObject } from './support/objects.ts';
import { valuesOf } from './support/switches.ts';

const rulesOf = (all: readonly KubeObject[]): { alert: string; expr: string; for?: string | undefined }[] =>
  z
    .object({
      groups: z.tuple([
        z.object({
          rules: z.array(z.looseObject({ alert: z.string(), expr: z.string(), for: z.string().optional() })),
        }),
      ]),
    })
    .parse(all.find((o) => o.kind === 'PrometheusRule')?.spec).groups[0].rules;

/** The part of Grafana's alert rules that is compared with the chart's. */
const grafanaRules = z.object({
  groups: z.tuple([
    z.object({
      rules: z.array(
        z.object({
          uid: z.string(),
          for: z.string(),
          data: z.array(
            z.object({
              model: z.object({
                conditions: z.array(z.object({ evaluator: z.object({ params: z.array(z.number()) }) })).optional(),
              }),
            }),
          ),
        }),
      ),
    }),
  ]),
});

const file = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

let objects: readonly KubeObject[];
beforeAll(async () => {
  objects = await render(
    merge(valuesOf({ checkpoint: 'leases', workers: 'scaled', alerts: 'on', dashboards: 'on', datasource: 'on' }), {
      grafana: { datasource: { isDefault: true } },
    } satisfies Values),
  );
});

describe('the chart repeats no fact wrongly', () => {
  it('has the version of the project', async () => {
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(await file('package.json')));
    expect(parse(await file('charts/userpulse/Chart.yaml'))).toMatchObject({ version, appVersion: version });
  });

  it('takes every setting under config that it does not set itself', async () => {
    const setByTheChart = new Set([
      'INFLUX_HOST',
      'INFLUX_ORG',
      'INFLUX_TOKEN',
      'INFLUX_TOKEN_FILE',
      'USERPULSE_STREAM',
      'USERPULSE_ARCHIVE',
      'USERPULSE_CHECKPOINT',
      'USERPULSE_LISTEN',
      'USERPULSE_API_TOKEN',
      'USERPULSE_API_TOKEN_FILE',
      // A secret, which has no place in a ConfigMap.
      'USERPULSE_ERASURE_KEY',
    ]);
    const schema = z
      .object({ properties: z.object({ config: z.object({ properties: z.record(z.string(), z.unknown()) }) }) })
      .parse(JSON.parse(await file('charts/userpulse/values.schema.json')));
    const settings = settingDocs.map((s) => s.variable).filter((variable) => !setByTheChart.has(variable));
    expect(Object.keys(schema.properties.config.properties).sort()).toEqual(settings.sort());
  });

  it('has the dashboards of the plugin', async () => {
    const names = (await readdir(new URL('../../src/dashboards/', import.meta.url))).filter((n) => n.endsWith('.json'));
    const maps = objects.filter((o) => o.metadata.labels['grafana_dashboard'] === '1');
    expect(maps).toHaveLength(names.length);
    const data = Object.assign({}, ...maps.map((o) => o.data)) as Record<string, string>;
    for (const name of names)
      expect(data[`userpulse-${name}`]?.trim()).toBe((await file(`src/dashboards/${name}`)).trim());
  });

  it('provisions the data source that provisioning/ does, at the address of serve', async () => {
    const source = (text: string): object | undefined =>
      z.object({ datasources: z.array(z.looseObject({})) }).parse(parse(text)).datasources[0];
    const secret = objects.find((o) => o.metadata.labels['grafana_datasource'] === '1');
    const chart = source(secret?.stringData?.['userpulse.yaml'] ?? '');
    expect(chart).toEqual({
      ...source(await file('provisioning/datasources/userpulse.yaml')),
      url: 'http://example-userpulse-serve.analytics.svc:8088',
    });
  });
});

describe('alert rules and autoscaling', () => {
  const expressions = (): readonly string[] => [
    ...rulesOf(objects).map((rule) => rule.expr),
    z
      .object({ triggers: z.array(z.object({ metadata: z.object({ query: z.string().optional() }) })) })
      .parse(objects.find((o) => o.kind === 'ScaledObject')?.spec).triggers[0]?.metadata.query ?? '',
  ];

  it('are PromQL over metrics that ingest has', () => {
    const registry = new Registry();
    registerGauges(createIngestMetrics(registry), () => {
      throw new Error('Only the names are looked at.');
    });
    const known = new Set(['up', ...registry.getMetricsAsArray().map((m) => m.name)]);
    const read = expressions().flatMap(metricsIn);
    expect(read.filter((name) => !known.has(name))).toEqual([]);
    expect(new Set(read).size).toBeGreaterThan(5);
  });

  it("look at this release's ingest only", () => {
    for (const expression of expressions()) {
      const selectors = expression.match(/\{[^}]*\}/g) ?? [];
      expect(selectors.length, expression).toBe(metricsIn(expression).length);
      for (const selector of selectors)
        expect(selector).toContain('namespace="analytics", service="example-userpulse-ingest"');
    }
  });

  it('warn of lag as the alert rule that provisioning/ has for Grafana', async () => {
    const grafana = grafanaRules.parse(JSON.parse(await file('provisioning/alerting/rules.json')));
    const lag = grafana.groups[0].rules.find((r) => r.uid === 'userpulse-pipeline-lag');
    const limit = lag?.data.flatMap((d) => d.model.conditions ?? [])[0]?.evaluator.params[0];
    expect(limit).toBeGreaterThan(0);
    const rule = rulesOf(objects).find((r) => r.alert === 'UserpulseIngestLagging');
    expect(rule?.for).toBe(lag?.for);
    expect(rule?.expr).toMatch(new RegExp(`> ${limit}$`));
  });

  it('archive: allow for the age at which objects are closed', async () => {
    const of = async (config: Values): Promise<string | undefined> =>
      rulesOf(await render(merge(valuesOf({ alerts: 'on' }), { config }))).find(
        (r) => r.alert === 'UserpulseArchiveBehind',
      )?.expr;
    expect(await of({})).toMatch(/> 900$/);
    expect(await of({ USERPULSE_ARCHIVE_MAX_AGE_MS: 3_600_000 })).toMatch(/> 7500$/);
  });
});

describe('the validators of these tests', () => {
  it('refuse text that is not PromQL', () => {
    expect(() => metricsIn('max(userpulse_events_total')).toThrow('not PromQL');
    expect(metricsIn('sum by (code) (rate(a_total{code="x"}[5m])) / b')).toEqual(['a_total', 'b']);
  });
});
