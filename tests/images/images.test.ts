import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildContext } from './context.ts';
import { readDockerfile } from './dockerfile.ts';
import { forgetOldLayers, rehearse, run, type RehearsedImage } from './rehearsal.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'userpulse-image-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
afterAll(forgetOldLayers);

const build = (dockerfile: string): Promise<RehearsedImage> =>
  rehearse(read(dockerfile), { checkout: CHECKOUT, context: buildContext(CHECKOUT), folder });

describe('the image of the backend', () => {
  it('holds a program that runs with the packages of production alone', async () => {
    const image = await build('docker/backend.Dockerfile');
    expect(image.exposed).toEqual([8088, 8089]);
    const [command = '', ...args] = [...image.entrypoint, ...image.cmd];
    const said = await run(command, args, { cwd: image.workdir, env: { PATH: process.env['PATH'], ...image.env } });
    expect(said).toContain('Usage: userpulse');
    expect(statSync(join(image.root, 'var/lib/userpulse')).isDirectory()).toBe(true);
    expect(readdirSync(join(image.workdir, 'node_modules'))).not.toContain('webpack');
  }, 600_000);
});

describe('the image of the Kinesis API server', () => {
  it('holds the program that its command names', async () => {
    const image = await build('docker/kinesis.Dockerfile');
    const [command, program = ''] = image.cmd;
    expect(command).toBe('node');
    expect(statSync(join(image.workdir, program)).size).toBeGreaterThan(0);
  }, 600_000);
});

describe('the image of Grafana', () => {
  it('holds the whole plugin where Grafana looks for it, and everything that provisioning names', async () => {
    const image = await build('docker/grafana.Dockerfile');
    const inImage = (path: string): string => readFileSync(join(image.root, path), 'latin1');
    const id = (JSON.parse(read('src/plugin.json')) as { id: string }).id;
    const plugin = `var/lib/grafana/plugins/${id}`;
    const { executable, includes, info } = JSON.parse(inImage(`${plugin}/plugin.json`)) as {
      executable: string;
      includes: { path: string }[];
      info: { version: string; logos: Record<string, string>; screenshots: { path: string }[] };
    };

    expect(info.version).toBe((JSON.parse(read('package.json')) as { version: string }).version);
    const named = [...includes, ...info.screenshots].map(({ path }) => path).concat(Object.values(info.logos));
    for (const file of ['module.js', 'README.md', 'CHANGELOG.md', 'LICENSE', 'go_plugin_build_manifest', ...named])
      expect(inImage(`${plugin}/${file}`).length, file).toBeGreaterThan(0);
    // go-plugin says so to whoever starts it without Grafana's handshake.
    const gateway = readdirSync(join(image.root, plugin)).filter((file) => file.startsWith(`${executable}_linux_`));
    expect(gateway).toHaveLength(1);
    await expect(run(join(image.root, plugin, gateway[0] ?? ''), [], { cwd: folder, env: {} })).rejects.toThrow(
      'This binary is a plugin',
    );

    expect(inImage((image.env['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'] ?? '').replace(image.root, ''))).toContain(
      '"panels"',
    );
    expect(image.env['GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS']).toBe(id);
    const { providers } = parse(inImage('etc/grafana/provisioning/dashboards/userpulse.yaml')) as {
      providers: { options: { path: string } }[];
    };
    // The folder that the official image gives this variable.
    const dashboards = providers[0]?.options.path.replace('$GF_PATHS_PLUGINS', 'var/lib/grafana/plugins') ?? '';
    expect(readdirSync(join(image.root, dashboards))).toHaveLength(includes.length);
    expect(inImage('etc/grafana/provisioning/datasources/userpulse.yaml')).toContain(id);
    expect(inImage('etc/grafana/provisioning/alerting/rules.json')).toContain(id);
  }, 900_000);
});

describe('the rehearsal', () => {
  const CONTEXT = ['have.txt', 'sub/one.txt', 'sub/two.txt'];
  const rehearsed = (text: string): Promise<RehearsedImage> => {
    const checkout = join(folder, 'checkout');
    mkdirSync(join(checkout, 'sub'), { recursive: true });
    for (const file of [...CONTEXT, 'untracked.txt']) writeFileSync(join(checkout, file), file);
    return rehearse(text, { checkout, context: CONTEXT, folder: join(folder, 'images') });
  };

  it('gives a step the files that are named, and no others', async () => {
    const image = await rehearsed(
      'FROM a\nWORKDIR /app\nCOPY have.txt ./\nCOPY sub other\nRUN cat have.txt other/one.txt > both\n',
    );
    expect(readdirSync(image.workdir).sort()).toEqual(['both', 'have.txt', 'other']);
    await expect(rehearsed('FROM a\nCOPY sub sub\nRUN cat have.txt\n')).rejects.toThrow(/^line 3: .*\n.*have\.txt/);
  });

  it.each([
    ['COPY missing.txt ./', 'line 2: COPY missing.txt: the build context has no such file'],
    ['COPY untracked.txt ./', 'line 2: COPY untracked.txt: the build context has no such file'],
    ['COPY --from=b /x /y', 'line 2: COPY --from=b: no stage before it has that name.'],
    ['RUN exit 3', 'line 2: sh -ec exit 3 ended with exit code 3'],
    ['RUN cat ${NOTHING?}', 'NOTHING'],
    ['ADD have.txt ./', 'line 2: the rehearsal does not know ADD.'],
    ['CMD node main.js', 'line 2: CMD is not a JSON array.'],
  ])('fails at %s', async (step, message) => {
    await expect(rehearsed(`FROM a\n${step}\n`)).rejects.toThrow(message);
  });

  it('fails where the last stage copies what an earlier one has not made', async () => {
    const text = 'FROM a AS one\nWORKDIR /app\nCOPY have.txt made\nFROM b\nCOPY --from=one /app/made /x/\n';
    expect(readdirSync(join((await rehearsed(text)).root, 'x'))).toEqual(['made']);
    await expect(rehearsed(text.replace('/app/made', '/app/gone'))).rejects.toThrow(
      'line 5: COPY --from=one /app/gone: that stage has not made it.',
    );
  });

  it('keeps absolute paths inside the image', async () => {
    const image = await rehearsed(
      'FROM a\nARG name=data\nRUN mkdir -p "/var/$name" && chown nobody /var/data && apt-get update\n',
    );
    expect(statSync(join(image.root, 'var/data')).isDirectory()).toBe(true);
  });

  it('reads arguments before and inside the stages', () => {
    const [stage] = readDockerfile(
      'ARG V=1\nFROM x:${V} AS s\nARG V\nENV A=$V B=two\nEXPOSE 80 81\nENTRYPOINT ["a", "b"]\n',
    );
    expect(stage).toMatchObject({ name: 's', base: 'x:1', exposed: [80, 81], entrypoint: ['a', 'b'] });
    expect(stage?.steps.map((step) => (step.kind === 'env' ? step.values : step))).toEqual([
      { V: '1' },
      { A: '1', B: 'two' },
    ]);
  });
});
