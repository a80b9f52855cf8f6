import { merge, type Values } from './render.ts';
import type { Implication, Row, Switches } from './pairwise.ts';

/** What a release needs, and nothing else: one ingest with a file checkpoint, tokens from a Secret that exists. */
export const BASE: Values = {
  influxdb: { url: 'http://influxdb.influxdb.svc:8086', org: 'example' },
  stream: { name: 'interactions' },
  archive: 's3://example-archive/userpulse',
  credentials: { existingSecret: 'existing-tokens' },
};

const on = (...path: readonly string[]): Values =>
  path.reduceRight<Values>((inner, key) => ({ [key]: inner }), { enabled: true });
const off = (...path: readonly string[]): Values =>
  path.reduceRight<Values>((inner, key) => ({ [key]: inner }), { enabled: false });

const peers = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }];
const ROLE = 'arn:aws:iam::123456789012:role/userpulse';
const COMPONENTS = ['ingest', 'serve', 'setup', 'repair', 'rollup'] as const;
const forAll = (values: Values): Values => Object.fromEntries(COMPONENTS.map((c) => [c, values]));

/** The chart's main switches. Each value of a switch is a piece of a values file. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, Values>>>> = {
  checkpoint: { file: {}, leases: { checkpoint: 'dynamodb://userpulse' } },
  archive: { s3: {}, folder: { archive: 'file:///var/lib/userpulse/archive' } },
  tokens: {
    existing: {},
    setup: {
      credentials: { existingSecret: '' },
      setup: { enabled: true, operatorToken: { existingSecret: 'influxdb-auth' } },
    },
    setupCreates: {
      credentials: { existingSecret: '', keys: { ingestToken: 'ingest', serveToken: 'serve', apiToken: 'api.token' } },
      stream: { shards: 16 },
      setup: { enabled: true, create: true, operatorToken: { existingSecret: 'influxdb-auth', key: 'token' } },
    },
  },
  ingest: { on: {}, off: off('ingest') },
  workers: {
    one: {},
    several: { ingest: { replicas: 3 } },
    scaled: {
      stream: { shards: 16 },
      ingest: {
        autoscaling: { enabled: true, prometheus: { serverAddress: 'http://prometheus.monitoring.svc:9090' } },
      },
    },
    scaledOnLagAlone: {
      stream: { shards: 16 },
      ingest: {
        autoscaling: {
          enabled: true,
          targetCPUUtilizationPercentage: null,
          prometheus: {
            serverAddress: 'https://prometheus.example.com',
            query: 'max(userpulse_millis_behind_latest)',
            authModes: 'bearer',
            authenticationRef: { name: 'prometheus' },
          },
        },
      },
    },
  },
  volume: {
    default: {},
    existing: { ingest: { persistence: { existingClaim: 'restored' } } },
    ofClass: {
      ingest: {
        persistence: { storageClass: 'gp3', size: '5Gi', accessModes: ['ReadWriteOncePod'], annotations: { a: 'b' } },
      },
    },
    ofNoClass: { ingest: { persistence: { storageClass: '-' } } },
  },
  serve: { on: {}, off: off('serve') },
  serveReplicas: {
    fixed: {},
    scaled: {
      serve: { autoscaling: { enabled: true, behavior: { scaleDown: { stabilizationWindowSeconds: 600 } } } },
    },
  },
  sources: { checked: {}, unchecked: { serve: { checkSources: false } } },
  ingress: {
    off: {},
    on: {
      serve: {
        ingress: {
          enabled: true,
          className: 'alb',
          annotations: { 'alb.ingress.kubernetes.io/scheme': 'internal' },
          hosts: ['one.example.com', 'two.example.com'],
          tls: [{ hosts: ['one.example.com'], secretName: 'tls' }],
        },
      },
    },
  },
  repair: { off: {}, on: on('repair') },
  rollup: { off: {}, on: on('rollup') },
  disruptions: {
    budgeted: {},
    unbudgeted: merge(off('ingest', 'podDisruptionBudget'), off('serve', 'podDisruptionBudget')),
  },
  network: {
    open: {},
    ingress: on('networkPolicy'),
    ingressAndEgress: {
      networkPolicy: {
        enabled: true,
        clientsFrom: peers,
        metricsFrom: peers,
        egress: { enabled: true, influxdbTo: peers, extra: [{ ports: [{ port: 4568, protocol: 'TCP' }] }] },
      },
    },
  },
  metrics: {
    off: {},
    on: on('serviceMonitor'),
    elsewhere: {
      serviceMonitor: {
        enabled: true,
        namespace: 'monitoring',
        labels: { release: 'prometheus' },
        interval: '15s',
        scrapeTimeout: '10s',
        relabelings: [{ action: 'labeldrop', regex: 'pod' }],
        metricRelabelings: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'nodejs_.*' }],
      },
    },
  },
  alerts: {
    off: {},
    on: on('prometheusRule'),
    more: {
      prometheusRule: {
        enabled: true,
        namespace: 'monitoring',
        labels: { release: 'prometheus' },
        alertLabels: { team: 'analytics' },
        additionalRules: [{ alert: 'Mine', expr: 'vector(1)', for: '1m' }],
      },
    },
  },
  dashboards: {
    off: {},
    on: on('grafana', 'dashboards'),
    elsewhere: {
      grafana: { namespace: 'monitoring', dashboards: { enabled: true, annotations: { folder: 'Userpulse' } } },
    },
  },
  datasource: {
    off: {},
    on: on('grafana', 'datasource'),
    ofAnotherServe: { grafana: { datasource: { enabled: true, url: 'https://userpulse.example.com' } } },
  },
  accounts: {
    made: forAll({ serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': ROLE } } }),
    existing: forAll({ serviceAccount: { create: false, name: 'userpulse' } }),
  },
  image: {
    default: {},
    digest: {
      image: { registry: 'registry.example.com', digest: `sha256:${'0'.repeat(64)}` },
      imagePullSecrets: [{ name: 'pull' }],
    },
  },
  names: {
    default: {},
    overridden: {
      fullnameOverride: `a-name-that-is-longer-than-${'x'.repeat(40)}`,
      nameOverride: 'other',
      commonLabels: { team: 'analytics' },
    },
  },
  config: {
    none: {},
    some: {
      config: {
        USERPULSE_USER_PREFIX: 'last:4',
        USERPULSE_BUFFER_MAX_BYTES: 8_589_934_592,
        USERPULSE_REJECT_MAX_RATIO: 0.2,
        USERPULSE_DRAIN_MS: 90_500,
      },
      aws: {
        region: 'eu-west-1',
        endpointUrls: { kinesis: 'https://kinesis.example.com', s3: 'https://s3.example.com' },
      },
      listenHost: '[::]',
    },
  },
  pods: {
    default: {},
    adorned: forAll({
      podAnnotations: { a: 'b' },
      podLabels: { c: 'd' },
      priorityClassName: 'high',
      nodeSelector: { 'kubernetes.io/arch': 'arm64' },
      affinity: { nodeAffinity: {} },
      tolerations: [{ key: 'spot', operator: 'Exists' }],
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'zone',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { a: 'b' } },
        },
      ],
      extraEnv: [{ name: 'USERPULSE_LOG_LEVEL', value: 'debug' }],
      extraEnvFrom: [{ secretRef: { name: 'more' } }],
    }),
  },
};

export const SWITCHES: Switches = Object.fromEntries(
  Object.entries(SETTINGS).map(([name, values]) => [name, Object.keys(values)]),
);

const needs = (when: string, is: readonly string[], then: string, ...among: readonly string[]): Implication[] =>
  is.map((value) => ({ when, is: value, then, among }));

/** Combinations that the chart refuses; refusal.test.ts has them. */
export const IMPLICATIONS: readonly Implication[] = [
  ...needs('archive', ['folder'], 'checkpoint', 'file'),
  ...needs('workers', ['several', 'scaled', 'scaledOnLagAlone'], 'checkpoint', 'leases'),
  ...needs('repair', ['on'], 'checkpoint', 'leases'),
  ...needs('ingress', ['on'], 'serve', 'on'),
  ...needs('datasource', ['on'], 'serve', 'on'),
];

export const valuesOf = (row: Row): Values =>
  merge(BASE, ...Object.entries(row).map(([name, value]) => SETTINGS[name]?.[value] ?? {}));
