import { beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig, settingDocs, type SettingName } from '../../backend/src/config.ts';
import { INGEST_SETTINGS } from '../../backend/src/commands/ingest.ts';
import { SERVE_SETTINGS } from '../../backend/src/commands/serve.ts';
import { BUCKET_SETTINGS, INFLUX_SETTINGS } from '../../backend/src/commands/settings.ts';
import { customResourceProblems, isCustomResource } from './support/custom-resources.ts';
import { validateObjects } from './support/kubernetes-validate.ts';
import { environmentOf, idOf, podOf, type KubeObject, type PodTemplate } from './support/objects.ts';
import { pairwise, type Row } from './support/pairwise.ts';
import { portsOf, referencesOf, selected, selectionOf } from './support/references.ts';
import { render } from './support/render.ts';
import { IMPLICATIONS, SWITCHES, valuesOf } from './support/switches.ts';

const rows = pairwise(SWITCHES, IMPLICATIONS);
const rendered: { row: Row; objects: readonly KubeObject[] }[] = [];

/** Oldest version that Chart.yaml admits, and the newest that the validator knows. */
const VERSIONS = ['1.27', '1.37'];

/** Objects that exist outside the release: those that the values name. */
const ELSEWHERE = new Set([
  'Secret/existing-tokens',
  'Secret/influxdb-auth',
  'Secret/more',
  'PersistentVolumeClaim/restored',
]);

beforeAll(async () => {
  const queue = [...rows];
  const worker = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      rendered.push({ row, objects: await render(valuesOf(row)) });
    }
  };
  await Promise.all([worker(), worker()]);
});

/** Every object of every combination, once. */
const distinct = (): ReadonlyMap<string, KubeObject> =>
  new Map(rendered.flatMap(({ objects }) => objects.map((o) => [JSON.stringify(o), o] as const)));

const pods = (): { row: Row; objects: readonly KubeObject[]; id: string; component: string; pod: PodTemplate }[] =>
  rendered.flatMap(({ row, objects }) =>
    objects.flatMap((o) => {
      const pod = podOf(o);
      const component = o.metadata.labels['app.kubernetes.io/component'] ?? '';
      return pod === undefined ? [] : [{ row, objects, id: idOf(o), component, pod }];
    }),
  );

describe('the combinations', () => {
  it('hold every pair of values of two switches that the chart allows', () => {
    const names = Object.keys(SWITCHES);
    const absent = names.flatMap((a, i) =>
      names
        .slice(i + 1)
        .flatMap((b) =>
          (SWITCHES[a] ?? []).flatMap((v) =>
            (SWITCHES[b] ?? [])
              .filter((w) => !rows.some((row) => row[a] === v && row[b] === w))
              .map((w) => ({ [a]: v, [b]: w })),
          ),
        ),
    );
    // What is left contradicts the implications, directly or by way of the checkpoint.
    const contradicts = (pair: Row): boolean => {
      const known: Record<string, string> = { ...pair };
      for (const { when, is, then, among } of [...IMPLICATIONS, ...IMPLICATIONS]) {
        if (known[when] !== is) continue;
        if (known[then] !== undefined && !among.includes(known[then])) return true;
        if (among[0] !== undefined && among.length === 1) known[then] = among[0];
      }
      return false;
    };
    expect(absent.filter((pair) => !contradicts(pair))).toEqual([]);
    expect(rows.length).toBeGreaterThan(10);
  });

  it('are valid in the oldest and the newest supported Kubernetes, without an unknown field', async () => {
    const own = [...distinct()].filter(([, o]) => !isCustomResource(o.kind)).map(([json]) => json);
    const verdicts = await validateObjects(inject('chartTools').python, own, VERSIONS);
    expect(verdicts.filter((v) => v.problem !== '')).toEqual([]);
    expect(verdicts).toHaveLength(own.length * VERSIONS.length);
  });

  it('are valid for the Prometheus Operator and KEDA, without an unknown field', () => {
    const custom = [...distinct()].flatMap(([json, { kind }]) => (isCustomResource(kind) ? [{ kind, json }] : []));
    expect(customResourceProblems(custom)).toEqual([]);
    expect(new Set(custom.map((o) => o.kind))).toEqual(new Set(['ServiceMonitor', 'PrometheusRule', 'ScaledObject']));
  });

  it('name no object twice', () => {
    for (const { row, objects } of rendered) {
      const ids = objects.map((o) => `${o.metadata.namespace} ${idOf(o)}`);
      expect(
        ids.filter((id, i) => ids.indexOf(id) !== i),
        JSON.stringify(row),
      ).toEqual([]);
    }
  });

  it('have names that leave room for what Kubernetes appends', () => {
    const room: Record<string, number> = { CronJob: 52, StatefulSet: 52, Service: 63, Job: 63, Deployment: 52 };
    for (const o of distinct().values()) expect(o.metadata.name.length).toBeLessThanOrEqual(room[o.kind] ?? 253);
  });

  it('label every object with what the conventions ask for', () => {
    for (const o of distinct().values()) {
      expect(Object.keys(o.metadata.labels)).toEqual(
        expect.arrayContaining(
          ['name', 'instance', 'version', 'managed-by', 'part-of'].map((label) => `app.kubernetes.io/${label}`),
        ),
      );
      expect(o.metadata.labels['helm.sh/chart']).toMatch(/^userpulse-/);
    }
  });
});

describe('the pods of every combination', () => {
  it('run without rights that they do not need', () => {
    for (const { id, component, pod } of pods()) {
      expect(pod.spec.securityContext, id).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(pod.spec.containers[0].securityContext, id).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      // Only the setup job calls Kubernetes.
      expect(pod.spec.automountServiceAccountToken, id).toBe(component === 'setup');
    }
  });

  it('can write to /tmp, and mount nothing that is not there', () => {
    for (const { id, pod } of pods()) {
      const [container] = pod.spec.containers;
      const volumes = pod.spec.volumes.map((v) => v.name);
      const claimed = id.startsWith('StatefulSet/') ? ['data'] : [];
      for (const mount of container.volumeMounts) expect([...volumes, ...claimed], id).toContain(mount.name);
      expect(container.volumeMounts, id).toContainEqual(expect.objectContaining({ mountPath: '/tmp' }));
    }
  });

  it('restart when a setting changes, and are spread over zones', () => {
    for (const { id, component, pod, row } of pods()) {
      expect(pod.metadata.annotations['checksum/config'], id).toMatch(/^[0-9a-f]{64}$/);
      if (row['pods'] !== 'default' || !['ingest', 'serve'].includes(component)) continue;
      const constraints = pod.spec.topologySpreadConstraints ?? [];
      expect(constraints.map((c) => c.topologyKey)).toContain('topology.kubernetes.io/zone');
      for (const c of constraints) {
        expect(c.labelSelector.matchLabels['app.kubernetes.io/component']).toBe(component);
        expect(pod.metadata.labels, id).toMatchObject(c.labelSelector.matchLabels);
      }
    }
  });

  it('are probed where they listen', () => {
    for (const { id, component, pod } of pods()) {
      const [container] = pod.spec.containers;
      if (component !== 'ingest' && component !== 'serve' && component !== 'rollup') {
        expect(container.ports, id).toBeUndefined();
        continue;
      }
      const port = container.ports?.[0]?.name ?? '';
      expect(container.livenessProbe?.httpGet).toEqual({ path: '/healthz', port });
      expect(container.readinessProbe?.httpGet).toEqual({ path: '/readyz', port });
    }
  });

  it('are given longer to stop than ingest may take to write what it has read', () => {
    for (const { id, component, pod, objects } of pods()) {
      if (component !== 'ingest') continue;
      const { USERPULSE_DRAIN_MS: drainMs = '30000' } = environmentOf(pod.spec.containers[0], objects, () => '');
      expect((pod.spec.terminationGracePeriodSeconds ?? 0) * 1000, id).toBeGreaterThan(Number(drainMs));
    }
  });
});

describe('the environment of every combination', () => {
  const KNOWN = new Set([
    ...settingDocs.map((s) => s.variable),
    'AWS_REGION',
    'AWS_ENDPOINT_URL_KINESIS',
    'AWS_ENDPOINT_URL_S3',
    'AWS_ENDPOINT_URL_DYNAMODB',
  ]);

  it('has no variable that is no setting', () => {
    for (const { id, pod, objects } of pods()) {
      const names = Object.keys(environmentOf(pod.spec.containers[0], objects, () => ''));
      expect(
        names.filter((name) => !KNOWN.has(name)),
        id,
      ).toEqual([]);
    }
  });

  it('is what the command asks for', () => {
    const given = (env: Readonly<Record<string, string>>, variable: string): boolean => (env[variable] ?? '') !== '';
    for (const { row, component, pod, objects, id } of pods()) {
      const env = environmentOf(pod.spec.containers[0], objects, (_, key) => `secret-value-of-${key}`);
      const needed: Record<string, readonly SettingName[]> = {
        ingest: [...INGEST_SETTINGS, 'listen', 'logLevel'],
        serve: [
          ...SERVE_SETTINGS,
          'logLevel',
          ...(given(env, 'USERPULSE_STREAM') ? (['stream', 'archiveMaxAgeMs'] as const) : []),
          ...(given(env, 'USERPULSE_ARCHIVE') ? (['archive'] as const) : []),
        ],
        setup: [...INFLUX_SETTINGS, ...BUCKET_SETTINGS, 'retentionSeconds', 'stream', 'archive'],
        repair: [...INFLUX_SETTINGS, ...BUCKET_SETTINGS, 'archive'],
        rollup: [...INFLUX_SETTINGS, ...BUCKET_SETTINGS, 'listen'],
      };
      const names = (needed[component] ?? []).filter((name) => name !== 'checkpoint' || row['checkpoint'] === 'file');
      const config = loadConfig(env, names, { cwd: '/nowhere', defaultPort: 0 });
      expect(config.influxToken.current(), id).toMatch(/^secret-value-of-/);
      if (row['config'] === 'some' && component === 'ingest') {
        expect(config).toMatchObject({ bufferMaxBytes: 8_589_934_592, rejectMaxRatio: 0.2, listen: { host: '::' } });
      }
    }
  });

  it('gives each component a token of its own', () => {
    const tokens = new Map<string, Set<string>>();
    for (const { row, component, pod, objects } of pods()) {
      if (row['tokens'] !== 'existing') continue;
      const env = environmentOf(pod.spec.containers[0], objects, (name, key) => `${name}/${key}`);
      const seen = tokens.get(component) ?? new Set();
      tokens.set(component, seen.add(env['INFLUX_TOKEN'] ?? ''));
      expect(env['USERPULSE_API_TOKEN']).toBe(component === 'serve' ? 'existing-tokens/api-token' : undefined);
    }
    expect(Object.fromEntries(tokens)).toEqual({
      ingest: new Set(['existing-tokens/ingest-token']),
      serve: new Set(['existing-tokens/serve-token']),
      repair: new Set(['existing-tokens/repair-token']),
      rollup: new Set(['existing-tokens/repair-token']),
    });
  });
});

describe('what the objects of every combination refer to', () => {
  it('exists', () => {
    for (const { row, objects } of rendered) {
      const there = new Set([...ELSEWHERE, ...objects.map(idOf)]);
      if (row['accounts'] === 'existing') there.add('ServiceAccount/userpulse');
      const wanted = objects.flatMap(referencesOf);
      expect(
        wanted.filter((id) => !there.has(id)),
        JSON.stringify(row),
      ).toEqual([]);
    }
  });

  it('is selected by its labels, one for each selector, and has the ports that are named', () => {
    const selecting = new Set<string>();
    for (const { row, objects } of rendered) {
      for (const object of objects) {
        const selection = selectionOf(object);
        if (selection === undefined) continue;
        selecting.add(object.kind);
        const where = `${idOf(object)} ${JSON.stringify(row)}`;
        const found = selected(selection, objects);
        expect(found, where).toHaveLength(1);
        // Two workloads that select each other's pods would fight over them.
        if (podOf(object) !== undefined) expect(found, where).toEqual([object]);
        expect(found.flatMap(portsOf), where).toEqual(expect.arrayContaining([...selection.ports]));
      }
    }
    expect([...selecting].sort()).toEqual([
      'Deployment',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'ServiceMonitor',
      'StatefulSet',
    ]);
  });
});

describe('the validators of these tests', () => {
  it('refuse an unknown field of a Deployment', async () => {
    const deployment = rendered.flatMap((r) => r.objects).find((o) => o.kind === 'Deployment');
    const json = JSON.stringify({ ...deployment, spec: { ...deployment?.spec, replicaCount: 2 } });
    const verdicts = await validateObjects(inject('chartTools').python, [json], VERSIONS);
    for (const { problem } of verdicts) expect(problem).toContain("'replicaCount' was unexpected");
  });

  it.each([
    ['ServiceMonitor', 'namespacesSelector'],
    ['PrometheusRule', 'rules'],
    ['ScaledObject', 'maxReplicas'],
  ] as const)('refuse an unknown field of a %s', (kind, field) => {
    const object = rendered.flatMap((r) => r.objects).find((o) => o.kind === kind);
    const json = JSON.stringify({ ...object, spec: { ...object?.spec, [field]: 2 } });
    expect(customResourceProblems([{ kind, json }])).toEqual([
      expect.stringContaining(`'"${field}"' does not exist in type`),
    ]);
  });

  it('refuse a wrong type in a custom resource', () => {
    const object = rendered.flatMap((r) => r.objects).find((o) => o.kind === 'ScaledObject');
    const json = JSON.stringify({ ...object, spec: { ...object?.spec, maxReplicaCount: '2' } });
    expect(customResourceProblems([{ kind: 'ScaledObject', json }]).join()).toContain(
      'maxReplicaCount must be integer',
    );
  });
});
