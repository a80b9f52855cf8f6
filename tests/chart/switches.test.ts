import { beforeAll, describe, expect, it } from 'vitest';
import { idOf, podOf, type KubeObject } from './support/objects.ts';
import { render } from './support/render.ts';
import { valuesOf } from './support/switches.ts';
import type { Row } from './support/pairwise.ts';

let base: readonly KubeObject[];
let workers: readonly KubeObject[];
beforeAll(async () => {
  [base, workers] = await Promise.all([render(valuesOf({})), render(valuesOf({ checkpoint: 'leases' }))]);
});

/** Ids of what one release has and the other has not; the setup job's hash left out. */
const gained = (from: readonly KubeObject[], to: readonly KubeObject[]): readonly string[] => {
  const ids = new Set(from.map(idOf));
  return to
    .map(idOf)
    .filter((id) => !ids.has(id))
    .map((id) => id.replace(/-setup-[0-9a-f]{8}$/, '-setup-HASH').replace('/example-userpulse', '/'))
    .sort();
};

describe('a release without anything switched on', () => {
  it('is one ingest with a volume, and serve', () => {
    expect(gained([], base)).toEqual([
      'ConfigMap/',
      'Deployment/-serve',
      'PodDisruptionBudget/-ingest',
      'PodDisruptionBudget/-serve',
      'Service/-ingest',
      'Service/-serve',
      'ServiceAccount/-ingest',
      'ServiceAccount/-serve',
      'StatefulSet/-ingest',
    ]);
  });

  it('has workers instead, with a DynamoDB checkpoint', () => {
    expect(gained(base, workers)).toEqual(['Deployment/-ingest']);
    expect(gained(workers, base)).toEqual(['StatefulSet/-ingest']);
  });
});

const DASHBOARDS = ['made', 'operations', 'overview', 'public', 'reach', 'received', 'share'].map(
  (name) => `ConfigMap/-dashboard-${name}`,
);

describe('a switch adds these objects and no others', () => {
  it.each<[Row, readonly string[]]>([
    [
      { tokens: 'setup' },
      [
        'ConfigMap/-setup',
        'Job/-setup-HASH',
        'Role/-setup',
        'RoleBinding/-setup',
        'Secret/-tokens',
        'ServiceAccount/-setup',
      ],
    ],
    [{ serveReplicas: 'scaled' }, ['HorizontalPodAutoscaler/-serve']],
    [{ ingress: 'on' }, ['Ingress/-serve']],
    [{ network: 'ingress' }, ['NetworkPolicy/-ingest', 'NetworkPolicy/-serve']],
    [{ metrics: 'on' }, ['ServiceMonitor/-ingest', 'ServiceMonitor/-serve']],
    [{ alerts: 'on' }, ['PrometheusRule/']],
    [{ dashboards: 'on' }, DASHBOARDS],
    [{ datasource: 'on' }, ['Secret/-datasource']],
    [{ rollup: 'on' }, ['Deployment/-rollup', 'ServiceAccount/-rollup']],
  ])('%o', async (row, ids) => {
    const objects = await render(valuesOf(row));
    expect(gained(base, objects)).toEqual(ids);
    expect(gained(objects, base)).toEqual([]);
  });

  it.each<[Row, readonly string[]]>([
    [{ workers: 'scaled' }, ['ScaledObject/-ingest']],
    [{ repair: 'on' }, ['CronJob/-repair', 'ServiceAccount/-repair']],
  ])('%o, for workers', async (row, ids) => {
    const objects = await render(valuesOf({ checkpoint: 'leases', ...row }));
    expect(gained(workers, objects)).toEqual(ids);
    expect(gained(objects, workers)).toEqual([]);
  });

  it.each<[Row, readonly string[]]>([
    [
      { ingest: 'off' },
      ['PodDisruptionBudget/-ingest', 'Service/-ingest', 'ServiceAccount/-ingest', 'StatefulSet/-ingest'],
    ],
    [{ serve: 'off' }, ['Deployment/-serve', 'PodDisruptionBudget/-serve', 'Service/-serve', 'ServiceAccount/-serve']],
    [{ disruptions: 'unbudgeted' }, ['PodDisruptionBudget/-ingest', 'PodDisruptionBudget/-serve']],
    [{ accounts: 'existing' }, ['ServiceAccount/-ingest', 'ServiceAccount/-serve']],
  ])('%o, which takes them away', async (row, ids) => {
    const objects = await render(valuesOf(row));
    expect(gained(objects, base)).toEqual(ids);
    expect(gained(base, objects)).toEqual([]);
  });
});

describe('an autoscaler', () => {
  it('has the number of replicas to itself', async () => {
    const objects = await render(valuesOf({ checkpoint: 'leases', workers: 'scaled', serveReplicas: 'scaled' }));
    for (const o of objects) if (o.kind === 'Deployment') expect(o.spec).not.toHaveProperty('replicas');
  });

  it('takes workers away slowly, one at a time', async () => {
    const objects = await render(valuesOf({ checkpoint: 'leases', workers: 'scaled' }));
    expect(objects.find((o) => o.kind === 'ScaledObject')?.spec).toMatchObject({
      advanced: {
        horizontalPodAutoscalerConfig: {
          behavior: {
            scaleDown: {
              stabilizationWindowSeconds: 600,
              policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }],
            },
          },
        },
      },
    });
  });
});

describe('an upgrade', () => {
  /** What Kubernetes does not let anyone change. */
  const fixed = (objects: readonly KubeObject[]): unknown =>
    objects
      .filter((o) => podOf(o) !== undefined)
      .map((o) => [idOf(o), o.spec?.['selector'], o.spec?.['serviceName'], o.spec?.['volumeClaimTemplates']]);
  const checksums = (objects: readonly KubeObject[]): unknown =>
    objects.flatMap((o) => podOf(o)?.metadata.annotations['checksum/config'] ?? []);

  it('to another version, with other labels, leaves what cannot be changed', async () => {
    const values = { ...valuesOf({}), image: { tag: '9.9.9' }, commonLabels: { team: 'analytics' } };
    expect(fixed(await render(values))).toEqual(fixed(base));
  });

  it('with another setting restarts the pods, and without one does not', async () => {
    expect(checksums(await render({ ...valuesOf({}), config: { USERPULSE_USER_PREFIX: 'last:4' } }))).not.toEqual(
      checksums(base),
    );
    expect(checksums(await render({ ...valuesOf({}), commonLabels: { team: 'analytics' } }))).toEqual(checksums(base));
  });

  it('with another setting runs the setup job again, and without one does not', async () => {
    const job = async (more: object): Promise<string | undefined> =>
      (await render({ ...valuesOf({ tokens: 'setup' }), ...more })).find((o) => o.kind === 'Job')?.metadata.name;
    const name = await job({});
    expect(await job({ serve: { replicas: 5 } })).toBe(name);
    expect(await job({ config: { USERPULSE_RETENTION: '90d' } })).not.toBe(name);
  });
});
