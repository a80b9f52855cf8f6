import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { launch, openPage } from '../host/browser.ts';
import { startPluginHost } from '../host/serve.ts';
import { findHiggsFile } from '../tools/higgs.ts';
import { childEnvironment, startLocalParts } from '../tools/parts/index.ts';
import { freePorts, LOOPBACK } from '../tools/parts/ports.ts';
import { createProgress } from '../tools/progress.ts';
import { runCommand, startService } from '../tools/userpulse.ts';

/**
 * Takes the pictures of the docs anew, but for those of a real Grafana (grafana-pictures.ts): `npx tsx docs/screenshots.ts [--out docs/img]`. A Higgs file is sent through the real
 * pipeline, moved in time so that it ends now, and the provisioned dashboards are pictured with their relative range and live queries.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STREAM = 'userpulse-pictures';
/** The README is read over slow lines too. */
const MAX_BYTES = 150_000;
const WIDTH = 1200;
/** Most received and most made of the file. */
const RECEIVER = '88';
const ACTOR = '89805';
/** The days around the peak, which lies four days before the file's end. */
const PEAK = 'from=now-5d&to=now-3d';
/** A refresh in the middle of a picture would show panels that load. */
const STILL = 'refresh=5m';

const { values: options } = parseArgs({
  options: { out: { type: 'string', default: join(ROOT, 'docs', 'img') } },
});
const progress = createProgress(process.stderr);

interface Clip {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

async function save(page: Page, name: string, clip?: Clip): Promise<void> {
  // Nothing may be under the pointer, and no caret may blink.
  await page.mouse.move(0, 0);
  const path = join(options.out, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled', caret: 'hide', ...(clip && { clip, fullPage: true }) });
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw new Error(`${path} has ${size} bytes; a picture of the README may have ${MAX_BYTES}.`);
  progress.line(`${path}: ${Math.round(size / 1000)} kB`);
}

/** True where every chart has something on its canvas: a canvas is there before its lines are. Source text: it runs in the page. */
const PAINTED = `[...document.querySelectorAll('.uplot canvas')].every((canvas) =>
  canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value !== 0))`;

/** Panels have drawn: what is looked for is there, and none is loading. */
async function settled(page: Page, drawn: string): Promise<void> {
  await page.locator(drawn).first().waitFor();
  await page.waitForFunction(`document.querySelector('[aria-label="Panel loading bar"]') === null`);
  await page.waitForFunction(PAINTED);
  await page.evaluate('document.fonts.ready.then(() => undefined)');
}

/** The part of the page that holds the panels of these titles, with a margin. */
async function around(page: Page, titles: readonly string[]): Promise<Clip> {
  const boxes = await Promise.all(
    titles.map(async (title) => {
      const box = await page.getByTestId(`data-testid Panel header ${title}`).first().boundingBox();
      if (box === null) throw new Error(`There is no panel "${title}" on ${page.url()}.`);
      return box;
    }),
  );
  const margin = 8;
  const x = Math.min(...boxes.map((box) => box.x)) - margin;
  const y = Math.min(...boxes.map((box) => box.y)) - margin;
  const right = Math.max(...boxes.map((box) => box.x + box.width)) + margin;
  const bottom = Math.max(...boxes.map((box) => box.y + box.height)) + margin;
  return { x, y, width: right - x, height: bottom - y };
}

const query = (fields: object): string =>
  encodeURIComponent(JSON.stringify({ version: 1, ids: [], types: [], every: 'auto', calc: 'count', ...fields }));

const EDITORS = {
  made: { query: query({ preset: 'made', ids: [ACTOR] }), viz: 'timeseries' },
  received: { query: query({ preset: 'received', ids: [RECEIVER, '677'], groupBy: ['id'] }), viz: 'timeseries' },
  share: { query: (share: string) => query({ preset: 'share', ids: [share], calc: 'cumulative' }), viz: 'timeseries' },
  everyone: { query: query({ preset: 'everyone', calc: 'rate', groupBy: ['type'] }), viz: 'timeseries' },
  top: { query: query({ preset: 'top', of: 'received', n: 10 }), viz: 'table' },
} as const;

async function take(host: string, backendUrl: string): Promise<void> {
  const browser = await launch();
  try {
    const { page, problems } = await openPage(browser, [/HTTP 400/]);
    await page.setViewportSize({ width: WIDTH, height: 900 });
    const go = async (address: string, drawn = '.uplot canvas'): Promise<void> => {
      await page.goto(host + address);
      await settled(page, drawn);
    };

    const top = await fetch(`${backendUrl}/v1/top?of=share&n=1&from=${Date.now() - 7 * 86_400_000}&to=${Date.now()}`);
    const share = ((await top.json()) as { top: { id: string }[] }).top[0]?.id ?? '';
    for (const [name, variables, titles] of [
      ['panel-received', `var-user=${RECEIVER}`, ['Received by a user']],
      ['panel-made', `var-user=${ACTOR}`, ['Made by a user']],
      ['panel-share', `var-share=${share}`, ['Received by a share']],
    ] as const) {
      const [title] = titles;
      const drawn = `[data-testid="data-testid Panel header ${title}"] .uplot canvas`;
      await go(`/d/${name.slice('panel-'.length)}?${PEAK}&${STILL}&${variables}`, drawn);
      await save(page, name, await around(page, titles));
    }

    await page.setViewportSize({ width: WIDTH, height: 760 });
    for (const [preset, { query: given, viz }] of Object.entries(EDITORS)) {
      await go(
        `/editor?query=${typeof given === 'string' ? given : given(share)}&viz=${viz}&${PEAK}`,
        viz === 'table' ? '[role="gridcell"]' : undefined,
      );
      await save(page, `editor-${preset}`);
    }

    // High enough that nothing scrolls.
    await page.setViewportSize({ width: 760, height: 1600 });
    for (const [name, url] of [
      ['config-failing', `http://${LOOPBACK}:9`],
      ['config-healthy', backendUrl],
    ] as const) {
      await go('/config', 'button:has-text("Save & test")');
      await page.getByLabel(/^URL/).first().fill(url);
      await page.getByRole('button', { name: 'Save & test' }).click();
      const result = page.getByTestId('data-testid Alert test result');
      await result.waitFor();
      const [form, answer] = [
        await page.locator('main').boundingBox(),
        await page.getByRole('button', { name: 'Save & test' }).boundingBox(),
      ];
      if (form === null || answer === null) throw new Error('The settings page has no form.');
      await save(page, name, { ...form, height: answer.y + answer.height + 16 - form.y });
    }
    if (problems.length > 0) throw new Error(`The page had problems:\n${problems.join('\n')}`);
  } finally {
    await browser.close();
  }
}

const file = findHiggsFile();
if (file === undefined) throw new Error('Name an activity-time file of the Higgs Twitter dataset: HIGGS_FILE=…');
await mkdir(options.out, { recursive: true });
const parts = await startLocalParts({ influx: true, kinesis: true }, progress);
try {
  const [port = 0] = await freePorts(1);
  const backendUrl = `http://${LOOPBACK}:${port}`;
  const env = childEnvironment(process.env, {
    ...parts.env,
    USERPULSE_STREAM: STREAM,
    USERPULSE_ARCHIVE: pathToFileURL(join(parts.dir, 'archive')).href,
    USERPULSE_CHECKPOINT: pathToFileURL(join(parts.dir, 'checkpoint')).href,
    USERPULSE_LISTEN: `${LOOPBACK}:${port}`,
    USERPULSE_LOG_LEVEL: 'warn',
  });
  await runCommand(['setup', '--create'], env);
  const service = await startService({ root: parts.dir, url: backendUrl, env });
  try {
    progress.line(`Sending ${file} through the pipeline …`);
    await runCommand(['produce', '--aggregate', '--file', file, '--shift-to-now'], env);
    progress.line('Waiting until all of it is in InfluxDB …');
    await caughtUp(backendUrl);
    const host = await startPluginHost({
      generation: '19',
      backendUrl,
      token: '',
      gatewayLog: join(parts.dir, 'gateway.log'),
    });
    try {
      await take(host.url, backendUrl);
    } finally {
      await host.stop();
    }
  } finally {
    await service.stop();
  }
} finally {
  await parts.stop();
}

/** The count of everyone's events has stopped growing. */
async function caughtUp(backendUrl: string): Promise<void> {
  let last = -1;
  for (let same = 0; same < 5;) {
    const response = await fetch(`${backendUrl}/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        from: Date.now() - 9 * 86_400_000,
        to: Date.now(),
        queries: [{ refId: 'A', preset: 'everyone', calc: 'total', groupBy: [] }],
      }),
    });
    const answer = (await response.json()) as { results: { A: { frames: { data: { values: number[][] } }[] } } };
    const count = answer.results.A.frames[0]?.data.values.at(-1)?.[0] ?? 0;
    progress.status(`${count} events`);
    same = count === last && count > 0 ? same + 1 : 0;
    last = count;
    await new Promise((done) => setTimeout(done, 1_000));
  }
}
