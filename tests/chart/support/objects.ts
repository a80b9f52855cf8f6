import { z } from 'zod';

/* What the tests look at in rendered objects; everything else is left to the validators. */

const strings = z.record(z.string(), z.string());

const environmentVariable = z.object({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z.object({ secretKeyRef: z.object({ name: z.string(), key: z.string() }) }).optional(),
});
export type EnvironmentVariable = z.infer<typeof environmentVariable>;

const probe = z.looseObject({ httpGet: z.object({ path: z.string(), port: z.string() }) });

const container = z.looseObject({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  workingDir: z.string().optional(),
  env: z.array(environmentVariable),
  envFrom: z.array(
    z.object({
      configMapRef: z.object({ name: z.string() }).optional(),
      secretRef: z.object({ name: z.string() }).optional(),
    }),
  ),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  resources: z.looseObject({ requests: strings, limits: strings }),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
  securityContext: z.looseObject({
    allowPrivilegeEscalation: z.boolean(),
    readOnlyRootFilesystem: z.boolean(),
    capabilities: z.object({ drop: z.array(z.string()) }),
  }),
});
export type Container = z.infer<typeof container>;

const podTemplate = z.object({
  metadata: z.object({ labels: strings, annotations: strings }),
  spec: z.looseObject({
    serviceAccountName: z.string(),
    automountServiceAccountToken: z.boolean(),
    terminationGracePeriodSeconds: z.number().optional(),
    securityContext: z.looseObject({ runAsNonRoot: z.boolean(), runAsUser: z.number() }),
    topologySpreadConstraints: z
      .array(z.looseObject({ topologyKey: z.string(), labelSelector: z.object({ matchLabels: strings }) }))
      .optional(),
    containers: z.tuple([container]),
    volumes: z.array(
      z.looseObject({
        name: z.string(),
        configMap: z.object({ name: z.string() }).optional(),
        secret: z.looseObject({ secretName: z.string() }).optional(),
        persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
      }),
    ),
  }),
});
export type PodTemplate = z.infer<typeof podTemplate>;

const kubeObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string(), labels: strings }),
  data: strings.optional(),
  stringData: strings.optional(),
  spec: z.looseObject({}).optional(),
});
export type KubeObject = z.infer<typeof kubeObject>;

export const parseObject = (value: unknown): KubeObject => kubeObject.parse(value);

export const idOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.name}`;

const withTemplate = z.object({ template: podTemplate });
const withJobTemplate = z.object({ jobTemplate: z.object({ spec: withTemplate }) });

/** The pod that a workload runs; undefined for every other kind. */
export function podOf(object: KubeObject): PodTemplate | undefined {
  switch (object.kind) {
    case 'Deployment':
    case 'StatefulSet':
    case 'Job':
      return withTemplate.parse(object.spec).template;
    case 'CronJob':
      return withJobTemplate.parse(object.spec).jobTemplate.spec.template;
    default:
      return undefined;
  }
}

/**
 * Environment of a container: its own variables before those of its ConfigMaps, as Kubernetes merges them.
 * @param secret what stands for a value from a Secret
 */
export function environmentOf(
  { env, envFrom }: Container,
  objects: readonly KubeObject[],
  secret: (name: string, key: string) => string,
): Record<string, string> {
  const out: Record<string, string> = {};
  for (const { configMapRef } of envFrom) {
    if (configMapRef === undefined) continue;
    const map = objects.find((o) => o.kind === 'ConfigMap' && o.metadata.name === configMapRef.name);
    if (map === undefined) throw new Error(`There is no ConfigMap ${configMapRef.name}.`);
    Object.assign(out, map.data);
  }
  for (const { name, value, valueFrom } of env) {
    out[name] =
      value ?? (valueFrom === undefined ? '' : secret(valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key));
  }
  return out;
}
