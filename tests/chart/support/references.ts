import { z } from 'zod';
import { podOf, type KubeObject } from './objects.ts';

const labels = z.record(z.string(), z.string());
const matching = z.object({ selector: z.object({ matchLabels: labels }) });
const named = z.object({ name: z.string() });
const port = z.union([z.string(), z.number()]);

const scaler = z.object({ scaleTargetRef: z.object({ kind: z.string(), name: z.string() }) });
const ingress = z.object({
  rules: z.array(z.object({ http: z.object({ paths: z.array(z.object({ backend: z.object({ service: named }) })) }) })),
});
const service = z.object({ selector: labels, ports: z.array(z.object({ name: z.string(), targetPort: port })) });
const policy = z.object({
  podSelector: z.object({ matchLabels: labels }),
  ingress: z.array(z.object({ ports: z.array(z.object({ port })) })),
});
const monitor = matching.extend({
  namespaceSelector: z.object({ matchNames: z.array(z.string()) }),
  endpoints: z.array(z.object({ port: z.string() })),
});

/** Ids of the objects that an object needs, service accounts among them. */
export function referencesOf(object: KubeObject): readonly string[] {
  const pod = podOf(object);
  const wanted = pod === undefined ? [] : referencesOfPod(pod);
  switch (object.kind) {
    case 'HorizontalPodAutoscaler':
    case 'ScaledObject': {
      const { kind, name } = scaler.parse(object.spec).scaleTargetRef;
      return [`${kind}/${name}`];
    }
    case 'StatefulSet':
      return [...wanted, `Service/${z.object({ serviceName: z.string() }).parse(object.spec).serviceName}`];
    case 'Ingress':
      return ingress
        .parse(object.spec)
        .rules.flatMap((rule) => rule.http.paths.map((path) => `Service/${path.backend.service.name}`));
    case 'Role':
      return z
        .object({ rules: z.array(z.object({ resourceNames: z.array(z.string()) })) })
        .parse(object)
        .rules.flatMap((rule) => rule.resourceNames.map((name) => `Secret/${name}`));
    case 'RoleBinding': {
      const { roleRef, subjects } = z.object({ roleRef: named, subjects: z.array(named) }).parse(object);
      return [`Role/${roleRef.name}`, ...subjects.map((s) => `ServiceAccount/${s.name}`)];
    }
    default:
      return wanted;
  }
}

function referencesOfPod({ spec }: NonNullable<ReturnType<typeof podOf>>): readonly string[] {
  const [{ env, envFrom }] = spec.containers;
  const ids = [`ServiceAccount/${spec.serviceAccountName}`];
  for (const { configMapRef, secretRef } of envFrom) {
    if (configMapRef !== undefined) ids.push(`ConfigMap/${configMapRef.name}`);
    if (secretRef !== undefined) ids.push(`Secret/${secretRef.name}`);
  }
  for (const { valueFrom } of env) if (valueFrom !== undefined) ids.push(`Secret/${valueFrom.secretKeyRef.name}`);
  for (const { configMap, secret, persistentVolumeClaim } of spec.volumes) {
    if (configMap !== undefined) ids.push(`ConfigMap/${configMap.name}`);
    if (secret !== undefined) ids.push(`Secret/${secret.secretName}`);
    if (persistentVolumeClaim !== undefined) ids.push(`PersistentVolumeClaim/${persistentVolumeClaim.claimName}`);
  }
  return ids;
}

/** Which objects an object selects, and by which of their ports. */
export interface Selection {
  readonly of: 'pods' | 'services';
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly (string | number)[];
}

/** What an object selects; undefined for a kind that selects nothing. */
export function selectionOf(object: KubeObject): Selection | undefined {
  switch (object.kind) {
    case 'Deployment':
    case 'StatefulSet':
    case 'PodDisruptionBudget':
      return { of: 'pods', labels: matching.parse(object.spec).selector.matchLabels, ports: [] };
    case 'Service': {
      const { selector, ports } = service.parse(object.spec);
      return { of: 'pods', labels: selector, ports: ports.map((p) => p.targetPort) };
    }
    case 'NetworkPolicy': {
      const { podSelector, ingress: rules } = policy.parse(object.spec);
      return {
        of: 'pods',
        labels: podSelector.matchLabels,
        ports: rules.flatMap((rule) => rule.ports.map((p) => p.port)),
      };
    }
    case 'ServiceMonitor': {
      const { selector, endpoints } = monitor.parse(object.spec);
      return { of: 'services', labels: selector.matchLabels, ports: endpoints.map((e) => e.port) };
    }
    default:
      return undefined;
  }
}

/** Names of the ports by which an object can be selected. */
export function portsOf(object: KubeObject): readonly string[] {
  if (object.kind === 'Service') return service.parse(object.spec).ports.map((p) => p.name);
  return podOf(object)?.spec.containers[0].ports?.map((p) => p.name) ?? [];
}

/** Objects that have all labels of a selection: services themselves, or workloads by their pods. */
export function selected(selection: Selection, objects: readonly KubeObject[]): readonly KubeObject[] {
  const matches = (candidate: Readonly<Record<string, string>>): boolean =>
    Object.entries(selection.labels).every(([key, value]) => candidate[key] === value);
  return selection.of === 'services'
    ? objects.filter((o) => o.kind === 'Service' && matches(o.metadata.labels))
    : objects.filter((o) => matches(podOf(o)?.metadata.labels ?? {}));
}
