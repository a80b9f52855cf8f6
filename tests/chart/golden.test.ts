import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHART, helm, NAMESPACE, RELEASE } from './support/render.ts';

const CI = join(CHART, 'ci');
const names = (await readdir(CI)).map((name) => name.replace(/-values\.yaml$/, ''));

/** Dashboards are long and held against their source elsewhere: their JSON is cut to its first line. */
const withoutDashboards = (text: string): string =>
  text.replace(/^( {2}userpulse-\w+\.json: \|\n)(?: {4}.*\n)+/gm, '$1    {…}\n');

/** After a change that is meant: npx vitest run --project chart tests/chart/golden.test.ts --update, and look at the difference. */
describe('the values files of ci/ render as they did', () => {
  it.each(names)('%s', async (name) => {
    const values = join(CI, `${name}-values.yaml`);
    const { stdout, code } = await helm(['template', RELEASE, CHART, '--namespace', NAMESPACE, '--values', values]);
    expect(code).toBe(0);
    await expect(withoutDashboards(stdout)).toMatchFileSnapshot(`golden/${name}.yaml`);
  });

  it.each(names)('%s: lint --strict finds nothing', async (name) => {
    const { stdout, code } = await helm(['lint', '--strict', CHART, '--values', join(CI, `${name}-values.yaml`)]);
    expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(code).toBe(0);
  });

  it('lint --strict finds nothing in the default values', async () => {
    expect((await helm(['lint', '--strict', CHART])).code).toBe(0);
  });

  it('the notes name objects that are there', async () => {
    for (const name of names) {
      const values = join(CI, `${name}-values.yaml`);
      const args = ['install', RELEASE, CHART, '--namespace', NAMESPACE, '--values', values, '--dry-run=client'];
      const { stdout } = await helm(args);
      const notes = stdout.slice(stdout.indexOf('\nNOTES:'));
      const rendered = stdout.slice(0, stdout.indexOf('\nNOTES:'));
      const named = [...notes.matchAll(/(statefulset|deployment|service)\/(\S+)/g)];
      expect(named).toHaveLength(2);
      for (const [, kind = '', object = ''] of named)
        expect(rendered).toMatch(new RegExp(`kind: ${kind}\nmetadata:\n  name: ${object}\n`, 'i'));
    }
  });
});

describe('the packaged chart', () => {
  it('has the dashboards in it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'userpulse-chart-'));
    try {
      expect((await helm(['package', CHART, '--destination', folder])).code).toBe(0);
      const [archive = ''] = await readdir(folder);
      const { stdout } = await helm([
        'template',
        RELEASE,
        join(folder, archive),
        '--values',
        join(CI, 'setup-values.yaml'),
        '--show-only',
        'templates/grafana/dashboards.yaml',
      ]);
      expect(stdout.match(/^kind: ConfigMap$/gm)).toHaveLength(7);
      const source = await readFile(join(CHART, 'dashboards', 'overview.json'), 'utf8');
      expect(stdout).toContain(source.trim().replaceAll('\n', '\n    '));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
