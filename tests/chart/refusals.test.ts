import { describe, expect, it } from 'vitest';
import { merge, template, type Values } from './support/render.ts';
import { BASE } from './support/switches.ts';

const LEASES: Values = { checkpoint: 'dynamodb://userpulse' };
const scaled = (more: Values): Values =>
  merge(
    LEASES,
    {
      stream: { shards: 4 },
      ingest: {
        autoscaling: { enabled: true, maxReplicas: 4, prometheus: { serverAddress: 'http://prometheus:9090' } },
      },
    },
    more,
  );

describe('values that do not go together are refused with a fix', () => {
  it.each<[string, Values, string]>([
    ['no InfluxDB', { influxdb: { url: '' } }, 'influxdb.url is not set: the address of InfluxDB 2, for example'],
    ['no organisation', { influxdb: { org: '' } }, 'influxdb.org is not set'],
    ['no stream', { stream: { name: '' } }, 'stream.name is not set'],
    ['no archive', { archive: '' }, 'archive is not set'],
    ['no tokens', { credentials: { existingSecret: '' } }, 'There are no tokens. Set credentials.existingSecret'],
    [
      'tokens from two places',
      { setup: { enabled: true, operatorToken: { existingSecret: 'influxdb-auth' } } },
      'credentials.existingSecret and setup.enabled exclude each other',
    ],
    [
      'a setup job without an operator token',
      { credentials: { existingSecret: '' }, setup: { enabled: true } },
      'setup.enabled needs setup.operatorToken.existingSecret',
    ],
    ['two processes on a file checkpoint', { ingest: { replicas: 2 } }, 'ingest.replicas is 2, but a file checkpoint'],
    ['no process on a file checkpoint', { ingest: { replicas: 0 } }, 'ingest.replicas is 0, but a file checkpoint'],
    [
      'workers with an archive that is a folder',
      merge(LEASES, { archive: 'file:///var/lib/userpulse/archive' }),
      'Set archive to s3://BUCKET/PREFIX.',
    ],
    [
      'a grace period as long as a stop may take',
      { ingest: { terminationGracePeriodSeconds: 30 } },
      'ingest.terminationGracePeriodSeconds is 30, but a stop may take 30 s (config.USERPULSE_DRAIN_MS). Raise it to 31 or more',
    ],
    [
      'a grace period shorter than a stop that is part of a second longer',
      { config: { USERPULSE_DRAIN_MS: 45_001 }, ingest: { terminationGracePeriodSeconds: 46 } },
      'a stop may take 46 s',
    ],
    [
      'autoscaling of one process',
      merge(scaled({}), { checkpoint: 'file:///var/lib/userpulse/checkpoint' }),
      'ingest.autoscaling needs a checkpoint that workers share',
    ],
    ['autoscaling without shards', scaled({ stream: { shards: null } }), 'ingest.autoscaling needs stream.shards'],
    [
      'more workers than shards',
      scaled({ ingest: { autoscaling: { maxReplicas: 5 } } }),
      'ingest.autoscaling.maxReplicas is 5, but the stream has 4 shards',
    ],
    [
      'autoscaling without Prometheus',
      scaled({ ingest: { autoscaling: { prometheus: { serverAddress: '' } } } }),
      'ingest.autoscaling.prometheus.serverAddress is not set',
    ],
    [
      'a minimum above the maximum of workers',
      scaled({ ingest: { autoscaling: { minReplicas: 4, maxReplicas: 3 } } }),
      'ingest.autoscaling.minReplicas is above maxReplicas',
    ],
    [
      'a minimum above the maximum of serve',
      { serve: { autoscaling: { enabled: true, minReplicas: 7 } } },
      'serve.autoscaling.minReplicas is above maxReplicas',
    ],
    [
      'repair of one process',
      { repair: { enabled: true } },
      'Set repair.enabled=false, or checkpoint to dynamodb://TABLE.',
    ],
    [
      'an ingress to nothing',
      { serve: { enabled: false, ingress: { enabled: true, hosts: ['a.example.com'] } } },
      'serve.ingress needs serve.enabled=true',
    ],
    [
      'a data source of nothing',
      { serve: { enabled: false }, grafana: { datasource: { enabled: true } } },
      'grafana.datasource needs serve.enabled=true',
    ],
  ])('%s', async (_, values, message) => {
    const { code, stderr } = await template(merge(BASE, values));
    expect(code).not.toBe(0);
    expect(stderr).toContain('A value is wrong:');
    expect(stderr).toContain(message);
  });

  it('all at once', async () => {
    const { stderr } = await template({});
    expect(stderr).toContain('5 values are wrong:');
    for (const value of ['influxdb.url', 'influxdb.org', 'stream.name', 'archive', 'credentials.existingSecret'])
      expect(stderr).toContain(value);
  });
});

describe('values that the schema refuses', () => {
  it.each<[string, Values, RegExp]>([
    ['an unknown value', { ingest: { replica: 1 } }, /additional properties 'replica' not allowed/],
    ['a misspelt setting', { config: { USERPULSE_USER_PREFIXES: 'last:4' } }, /USERPULSE_USER_PREFIXES/],
    ['a setting that the chart sets', { config: { USERPULSE_LISTEN: '0.0.0.0:1' } }, /USERPULSE_LISTEN/],
    ['a token among the settings', { config: { INFLUX_TOKEN: 'secret' } }, /INFLUX_TOKEN/],
    ['an archive that is no store', { archive: '/tmp/archive' }, /\/archive/],
    ['a folder outside the volume', { checkpoint: 'file:///tmp/checkpoint' }, /\/checkpoint/],
    ['credentials in an address', { influxdb: { url: 'http://user:password@influxdb:8086' } }, /\/influxdb\/url/],
    ['a port that is text', { serve: { service: { port: '8088' } } }, /\/serve\/service\/port/],
    ['a label that is no text', { commonLabels: { team: 1 } }, /\/commonLabels\/team/],
  ])('%s', async (_, values, message) => {
    const { code, stderr } = await template(merge(BASE, values));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
  });
});
