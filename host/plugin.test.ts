import { readFileSync } from 'node:fs';
import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createKinesisClient } from '../backend/src/kinesis/client.ts';
import { PRESETS } from '../contract/presets.ts';
import { texts } from '../src/texts.ts';
import { selectors } from '../src/selectors.ts';
import { hourly, startWorld, STREAM, USERS, WEEK, type World } from '../tests/support/host-world.ts';
import { launch, openPage, picture, type Watched } from './browser.ts';
import { GENERATIONS } from './bundle.ts';
import { startPluginHost, type PluginHost } from './serve.ts';

let world: World;
let browser: Browser;

/** What was started, to be ended in reverse order, however far the start came. */
const ending: (() => Promise<void>)[] = [];

beforeAll(async () => {
  world = await startWorld();
  ending.push(world.stop);
  browser = await launch();
  ending.push(() => browser.close());
});
afterAll(async () => {
  for (const end of ending.reverse()) await end();
});

const week = `from=${WEEK.from}&to=${WEEK.to}`;
const editor = (query: object, range = week, viz = 'timeseries'): string =>
  `/editor?query=${encodeURIComponent(JSON.stringify(query))}&viz=${viz}&${range}`;

interface Frame {
  schema: { fields: { name: string; labels?: Record<string, string>; config?: { displayNameFromDS?: string } }[] };
  data: { values: (number | string | null)[][] };
}
interface RulesFile {
  groups: { rules: { uid: string; data: { refId: string; datasourceUid: string; model: object }[] }[] }[];
}
interface Answer {
  results: Record<string, { frames?: Frame[]; error?: string; status?: number }>;
}

/** Opens an address and waits for the answer of the first query it makes. */
async function answerOf(
  page: Page,
  address: string,
): Promise<{ body: Answer; sent: { queries: Record<string, unknown>[] } }> {
  const arrived = page.waitForResponse((response) => response.url().includes('/api/ds/query'));
  await page.goto(address);
  const response = await arrived;
  return {
    body: (await response.json()) as Answer,
    sent: response.request().postDataJSON() as { queries: Record<string, unknown>[] },
  };
}

const legend = (page: Page) =>
  page.locator('[data-testid*="VizLegend"], [class*="LegendItem"], .viz-legend, [aria-label*="legend" i]');
const savedQuery = async (page: Page): Promise<Record<string, unknown>> =>
  JSON.parse((await page.getByTestId('host-query').last().textContent()) ?? '{}') as Record<string, unknown>;

/** By keyboard, as someone without a mouse: type the option's beginning, then Enter. */
async function choose(page: Page, label: string, option: string): Promise<void> {
  const box = page.getByLabel(label, { exact: true }).first();
  await box.focus();
  await box.fill(option);
  await page.getByRole('option').first().waitFor();
  await box.press('Enter');
}

describe.each(GENERATIONS)('the plugin on React %s', (generation) => {
  let host: PluginHost;
  let watched: Watched;

  beforeAll(async () => {
    host = await startPluginHost({ generation, backendUrl: world.backendUrl, token: '', gatewayLog: '/dev/null' });
    return () => host.stop();
  });
  afterEach(async () => {
    await watched.page.context().close();
  });

  const open = async (...expected: RegExp[]): Promise<Page> => {
    watched = await openPage(browser, expected);
    return watched.page;
  };
  const shot = (page: Page, name: string) => picture(page, `react${generation}-${name}`);

  it.each(['overview', 'made', 'received', 'share', 'reach', 'operations', 'public'])(
    'draws every panel of the provisioned dashboard %s',
    async (name) => {
      const page = await open();
      const id = name === 'received' || name === 'reach' ? '&var-user=88' : '';
      await page.goto(`${host.url}/d/${name}?${week}${id}`);
      if (name === 'operations') await page.getByText('Grafana draws this panel').first().waitFor();
      else await page.locator('.uplot canvas').first().waitFor();
      await page.waitForLoadState('networkidle').catch(() => undefined);
      await shot(page, `dashboard-${name}`);
      expect(await page.getByTestId('data-testid Panel status error').count()).toBe(0);
      expect(watched.problems).toEqual([]);
    },
  );

  it("answers user 88's hourly received series exactly as the file has it, from Chromium to InfluxDB", async () => {
    const page = await open();
    const { body } = await answerOf(
      page,
      host.url +
        editor({
          version: 1,
          preset: 'received',
          ids: ['88'],
          types: [],
          every: '1h',
          calc: 'count',
          groupBy: ['id', 'type'],
          timezone: 'UTC',
        }),
    );
    const [frame] = body.results['A']?.frames ?? [];
    const [time, ...series] = frame?.schema.fields ?? [];
    expect(time?.name).toBeDefined();
    expect(frame?.data.values[0]).toEqual(hourly('88', 'retweet').map((_, hour) => WEEK.from + hour * 3_600_000));
    expect(series.map((field) => field.labels)).toEqual(
      ['mention', 'reply', 'retweet'].map((type) => ({ id: '88', type })),
    );
    expect(series.map((field) => field.config?.displayNameFromDS)).toEqual(['88 mention', '88 reply', '88 retweet']);
    for (const [at, type] of ['mention', 'reply', 'retweet'].entries())
      expect(frame?.data.values[at + 1]).toEqual(hourly('88', type));
    await page.getByText('88 retweet').first().waitFor();
    await shot(page, 'chain-user-88');
    expect(watched.problems).toEqual([]);
  });

  it('asks for several values of a variable as a set', async () => {
    const page = await open();
    const asked: unknown[] = [];
    page.on('request', (request) => {
      if (!request.url().includes('/api/ds/query')) return;
      for (const query of (request.postDataJSON() as { queries: { ids: unknown }[] }).queries) asked.push(query.ids);
    });
    await page.goto(`${host.url}/d/received?${week}&var-user=${USERS[0]}&var-user=${USERS[1]}`);
    await expect.poll(() => asked, { timeout: 30_000 }).toContainEqual([...USERS]);
    await page.getByText('677 retweet').first().waitFor();
    await shot(page, 'multi-value');
    expect(watched.problems).toEqual([]);
  });

  it.each([
    ['88") |> drop()', /not a valid user ID/],
    ["88' or 1=1", /not a valid user ID/],
    ['${88}', /variable that has no value here/],
    ['88\\', /not a valid user ID/],
    ['-1', /not a valid user ID/],
    ['9223372036854775808', /too large/],
    ['é', /not a valid user ID/],
  ] as const)('refuses the id %s in the editor and in the panel', async (hostile, said) => {
    const page = await open(/HTTP 400 \/api\/ds\/query/);
    const { body } = await answerOf(
      page,
      host.url + editor({ version: 1, preset: 'received', ids: [hostile], types: [], every: 'auto', calc: 'count' }),
    );
    expect(body.results['A']?.error).toMatch(/id/);
    expect(body.results['A']?.frames ?? []).toEqual([]);
    await page.getByText(said).first().waitFor();
    if (hostile.includes('drop')) await shot(page, 'hostile-id');
    expect(watched.problems).toEqual([]);
  });

  it('shows an id with no events as one line at zero', async () => {
    const page = await open();
    const { body } = await answerOf(
      page,
      host.url +
        editor({
          version: 1,
          preset: 'received',
          ids: ['999999'],
          types: [],
          every: '1d',
          calc: 'count',
          timezone: 'UTC',
        }),
    );
    expect(body.results['A']?.frames?.[0]?.data.values.slice(1)).toEqual([new Array(7).fill(0)]);
    await page.getByText('999999').first().waitFor();
    await shot(page, 'id-without-events');
    expect(watched.problems).toEqual([]);
  });

  it('shows a range with no events as zeros', async () => {
    const page = await open();
    const { body } = await answerOf(
      page,
      host.url +
        editor(
          { version: 1, preset: 'received', ids: ['88'], types: [], every: '1h', calc: 'count' },
          `from=${WEEK.from - 86_400_000 * 30}&to=${WEEK.from - 86_400_000 * 29}`,
        ),
    );
    expect(body.results['A']?.frames?.[0]?.data.values[1]).toEqual(new Array(24).fill(0));
    await page.locator('.uplot canvas').first().waitFor();
    await shot(page, 'range-without-events');
    expect(watched.problems).toEqual([]);
  });

  it('draws a range of a year', async () => {
    const page = await open();
    const { body } = await answerOf(
      page,
      host.url +
        editor(
          {
            version: 1,
            preset: 'received',
            ids: ['88'],
            types: [],
            every: '1d',
            calc: 'count',
            groupBy: [],
            timezone: 'Europe/Berlin',
          },
          `from=${Date.UTC(2011, 11, 31, 23)}&to=${Date.UTC(2012, 11, 31, 23)}`,
        ),
    );
    const values = body.results['A']?.frames?.[0]?.data.values[1] as number[];
    expect(values).toHaveLength(366);
    expect(values.reduce((sum, value) => sum + value, 0)).toBe(
      ['mention', 'reply', 'retweet'].flatMap((type) => hourly('88', type)).reduce((sum, value) => sum + value, 0),
    );
    await page.locator('.uplot canvas').first().waitFor();
    await shot(page, 'range-of-a-year');
    expect(watched.problems).toEqual([]);
  });

  it('says what is wrong where the range ends before it begins', async () => {
    const page = await open(/HTTP 400/);
    await page.goto(
      host.url +
        editor(
          { version: 1, preset: 'received', ids: ['88'], types: [], every: '1h', calc: 'count' },
          `from=${WEEK.to}&to=${WEEK.from}`,
        ),
    );
    await page.getByTestId('host-query-error').waitFor();
    expect(await page.getByTestId('host-query-error').textContent()).toMatch(/from|before|after/);
    await shot(page, 'from-after-to');
    expect(watched.problems).toEqual([]);
  });

  it('says that the backend is down, and where it was looked for', async () => {
    const page = await open(/HTTP (400|5\d\d)/);
    const settings = (url: string) =>
      fetch(`${host.url}/api/datasources/uid/userpulse/settings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ url }),
      });
    await settings('http://127.0.0.1:9');
    try {
      await page.goto(
        host.url + editor({ version: 1, preset: 'everyone', ids: [], types: [], every: '1d', calc: 'count' }),
      );
      await page.getByTestId('host-query-error').waitFor();
      expect(await page.getByTestId('host-query-error').textContent()).toContain('127.0.0.1:9');
      await shot(page, 'backend-down');
      await page.goto(`${host.url}/config`);
      await page.getByRole('button', { name: 'Save & test' }).click();
      await page.getByTestId('data-testid Alert test result').getByText('127.0.0.1:9').first().waitFor();
      await shot(page, 'config-failing');
    } finally {
      await settings(world.backendUrl);
    }
    expect(watched.problems).toEqual([]);
  });

  it('tests a healthy data source and says what it checked', async () => {
    const page = await open();
    await page.goto(`${host.url}/config`);
    await page.getByRole('button', { name: 'Save & test' }).click();
    const result = page.getByTestId('data-testid Alert test result');
    await result
      .getByText(/InfluxDB|influx/i)
      .first()
      .waitFor();
    await shot(page, 'config-healthy');
    expect(watched.problems).toEqual([]);
  });

  it('takes every control of the editor into the query', async () => {
    const page = await open();
    await page.goto(
      host.url + editor({ version: 1, preset: 'received', ids: ['88'], types: [], every: 'auto', calc: 'count' }),
    );
    await page.locator('.uplot canvas').first().waitFor();
    await shot(page, 'editor-received');

    await choose(page, texts.query.calc.label, 'Running sum');
    await choose(page, texts.query.groupBy.label, 'Nothing');
    const every = page.getByLabel(texts.query.every.label, { exact: true }).first();
    await every.fill('6h');
    await every.press('Enter');
    await shot(page, 'editor-options-folded');
    await page.getByRole('button', { name: /^Options/ }).click();
    const compare = page.getByLabel(texts.query.compareTo.label, { exact: true }).first();
    await compare.fill('1d');
    await compare.press('Enter');
    const name = page.getByLabel(texts.query.legend.label, { exact: true }).first();
    await name.fill('all of it {{compare}}');
    await name.press('Enter');
    await page.getByText('all of it 1d before').first().waitFor();
    expect(await savedQuery(page)).toMatchObject({
      version: 1,
      preset: 'received',
      ids: ['88'],
      calc: 'cumulative',
      groupBy: [],
      every: '6h',
      compareTo: '1d',
      legend: 'all of it {{compare}}',
    });

    await page.getByTestId(selectors.queryEditor.ids).locator('input').first().fill('677');
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await savedQuery(page))['ids']).toEqual(['88', '677']);

    await page.getByText(texts.flux.show).first().click();
    await page.getByText('interactions_received').first().waitFor();
    await shot(page, 'editor-all-controls');

    for (const preset of ['made', 'share', 'everyone', 'top'] as const) {
      await page
        .getByTestId(selectors.queryEditor.root)
        .getByRole('radio', { name: PRESETS[preset].label, exact: true })
        .check({ force: true });
      await expect.poll(async () => (await savedQuery(page))['preset']).toBe(preset);
      await shot(page, `editor-${preset}`);
    }
    expect(watched.problems.filter((problem) => !problem.includes('/api/ds/query'))).toEqual([]);
  });

  it('shows a new event live, without a refresh', async () => {
    const page = await open();
    const actor = generation === '18' ? '9007199254740993' : '9007199254740995';
    await page.goto(
      host.url +
        editor(
          { version: 1, preset: 'made', ids: [actor], types: ['like'], every: '1d', calc: 'count', live: true },
          'from=now-1d&to=now',
          'stat',
        ),
    );
    // A single number has no name on a stat panel; before the first event it is the zero of the running window.
    await page.getByText('0', { exact: true }).first().waitFor();
    const kinesis = createKinesisClient();
    const saved = { ...process.env };
    Object.assign(process.env, world.env);
    try {
      for (let n = 0; n < 7; n++) {
        const event = {
          eventId: `live-${generation}-${n}`,
          type: 'like',
          occurredAt: Date.now(),
          actorId: actor,
          receiverId: '1',
        };
        await kinesis.send(
          new PutRecordCommand({ StreamName: STREAM, PartitionKey: actor, Data: Buffer.from(JSON.stringify(event)) }),
        );
      }
    } finally {
      process.env = saved;
      kinesis.destroy();
    }
    await page.getByText('7', { exact: true }).first().waitFor();
    await shot(page, 'live');
    expect(watched.problems).toEqual([]);
  });

  it('streams in Explore once its Live button is pressed, whatever the query says of live', async () => {
    const page = await open();
    const streams: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/api/live-standin')) streams.push(request.url());
    });
    const query = { version: 1, preset: 'everyone', every: '10s', calc: 'count' };
    const explore = host.url + editor(query, 'from=now-5m&to=now') + '&app=explore';
    await page.goto(explore);
    await page.locator('.uplot canvas').first().waitFor();
    expect(streams).toEqual([]);
    await page.goto(`${explore}&live=1`);
    await page.locator('.uplot canvas').first().waitFor();
    await expect.poll(() => streams.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(watched.problems).toEqual([]);
  });

  it('shows the public overview where nothing replaces variables, and says of the others that their data source is missing', async () => {
    const page = await open(/was not found/);
    await page.goto(`${host.url}/public-dashboards/public?${week}`);
    const retweets = USERS.flatMap((user) => hourly(user, 'retweet')).reduce((all, count) => all + count, 0);
    await page.getByText(retweets.toLocaleString('en-US')).first().waitFor();
    expect(watched.problems).toEqual([]);
    await page.goto(`${host.url}/public-dashboards/overview?${week}`);
    await page.getByTestId('data-testid Panel status error').first().waitFor();
  });

  it('answers the provisioned rules as Grafana sends them: raw, with nothing replaced', async () => {
    const file = readFileSync(new URL('../provisioning/alerting/rules.json', import.meta.url), 'utf8');
    const { groups } = JSON.parse(file) as RulesFile;
    const asked: string[] = [];
    for (const { uid, data } of groups.flatMap(({ rules }) => rules)) {
      const ours = data.filter(({ datasourceUid }) => datasourceUid === 'userpulse');
      for (const { model, refId } of ours) {
        const answer = await fetch(`${host.url}/api/ds/query`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', FromAlert: 'true' },
          body: JSON.stringify({
            from: String(WEEK.from),
            to: String(WEEK.from + 600_000),
            queries: [{ ...model, datasource: undefined }],
          }),
        });
        const { results } = (await answer.json()) as Answer;
        asked.push(uid);
        expect(results[refId]?.error, uid).toBeUndefined();
        expect(results[refId]?.frames?.length, uid).toBeGreaterThan(0);
      }
    }
    expect(asked.length).toBeGreaterThanOrEqual(2);
  });

  it('opens the editor of an annotation, which Grafana prepares again until nothing changes', async () => {
    const page = await open();
    await page.goto(`${host.url}/annotation?target=${encodeURIComponent('{"preset":"everyone"}')}&${week}`);
    await page.locator('.uplot canvas').first().waitFor();
    await page.waitForLoadState('networkidle');
    await page.getByText(texts.annotation.kind.label).first().waitFor();
    expect(await page.getByText('again and again').count()).toBe(0);
    expect(watched.problems).toEqual([]);
  });

  it('offers the interaction types of the range and filters by them', async () => {
    const page = await open();
    await page.goto(`${host.url}/d/overview?${week}&var-type=retweet`);
    await page.locator('.uplot canvas').first().waitFor();
    await page.getByText('retweet').first().waitFor();
    expect(await legend(page).getByText('mention').count()).toBe(0);
    await shot(page, 'variable-type');
    expect(watched.problems).toEqual([]);
  });
});
