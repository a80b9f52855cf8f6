import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { idOf, type KubeObject } from './support/objects.ts';
import { CHART, helm, merge, objectsIn, type Values } from './support/render.ts';

const page = await readFile(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8');

/** A file that the page has the reader write, with its shell variables replaced. */
const written = (name: string): unknown => {
  const text = page.split(`cat > ${name} <<EOF\n`)[1]?.split('\nEOF\n')[0];
  if (text === undefined) throw new Error(`docs/kubernetes.md does not write ${name}.`);
  return parse(text.replaceAll('$AWS_REGION', 'eu-west-1').replaceAll(/\$[A-Z]+/g, 'example'));
};

let objects: readonly KubeObject[];
let ids: ReadonlySet<string>;
beforeAll(async () => {
  const values = merge(written('values.yaml') as Values, written('panels.yaml') as Values);
  const args = ['template', 'userpulse', CHART, '--namespace', 'userpulse', '--values', '-'];
  const { stdout, stderr, code } = await helm(args, stringify(values));
  expect(code, stderr).toBe(0);
  objects = objectsIn(stdout);
  ids = new Set(objects.map(idOf));
});

describe('docs/kubernetes.md', () => {
  it('gives AWS permissions to the service accounts that the chart makes, in its namespace', () => {
    const { iam } = z
      .object({
        iam: z.object({
          podIdentityAssociations: z.array(
            z.object({ namespace: z.string(), serviceAccountName: z.string(), permissionPolicy: z.looseObject({}) }),
          ),
        }),
      })
      .parse(written('cluster.yaml'));
    const accounts = objects.filter((o) => o.kind === 'ServiceAccount').map((o) => o.metadata.name);
    expect(iam.podIdentityAssociations.map((a) => a.serviceAccountName).sort()).toEqual(accounts.sort());
    expect(new Set(iam.podIdentityAssociations.map((a) => a.namespace))).toEqual(new Set(['userpulse']));
  });

  it('names objects that exist', () => {
    const kinds = { statefulset: 'StatefulSet', deployment: 'Deployment' } as const;
    const named = [...page.matchAll(/(statefulset|deployment)\/([a-z-]+)/g)];
    expect(named.length).toBeGreaterThan(2);
    for (const [, kind, name] of named) expect(ids).toContain(`${kinds[kind as keyof typeof kinds]}/${name}`);
    expect(ids).toContain('Secret/userpulse-tokens');
    expect(page).toContain('get secret userpulse-tokens');
  });

  it('gives Grafana the variable that the data source reads, and the labels that its sidecars and Prometheus select on', () => {
    const { grafana } = z
      .object({ grafana: z.object({ envValueFrom: z.record(z.string(), z.unknown()) }) })
      .parse(written('monitoring.yaml'));
    const secret = objects.find((o) => o.metadata.name === 'userpulse-datasource');
    expect(secret?.metadata).toMatchObject({ namespace: 'monitoring', labels: { grafana_datasource: '1' } });
    for (const name of Object.keys(grafana.envValueFrom)) {
      expect(secret?.stringData?.['userpulse.yaml']).toContain(`apiToken: $${name}\n`);
    }
    for (const o of objects.filter(({ kind }) => kind === 'ServiceMonitor' || kind === 'PrometheusRule'))
      expect(o.metadata.labels['release']).toBe('kube-prometheus-stack');
  });
});
