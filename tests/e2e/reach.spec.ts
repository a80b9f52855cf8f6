import { answerTo, expect, shown, SOURCE, summed, test, week } from './fixtures.ts';
import { USER } from './sample.ts';

test('reach: different people, by type and in all, who they are, and how many are active', async ({
  gotoDashboardPage,
  counted,
  page,
}) => {
  const { reach, byType, active, activeByDay } = counted.people;
  const daily = answerTo(page, '"every":"1d"');
  const dashboard = await gotoDashboardPage({
    uid: 'userpulse-reach',
    timeRange: week,
    queryParams: new URLSearchParams({ 'var-user': USER }),
  });
  const panel = (title: string) => dashboard.getPanelByTitle(title).locator;
  await expect(panel('Reach').first()).toContainText(shown(reach));
  for (const [type, people] of byType) {
    await expect(panel('Reach by type')).toContainText(type);
    await expect(panel('Reach by type')).toContainText(shown(people));
  }
  await expect(panel('Active users').first()).toContainText(shown(active));
  const who = dashboard.getPanelByTitle('Who');
  await who.scrollIntoView();
  for (const { id, count } of counted.who.slice(0, 3)) {
    await expect(who.locator).toContainText(id);
    await expect(who.locator).toContainText(shown(count));
  }
  await dashboard.getPanelByTitle('Daily active users').scrollIntoView();
  const { results } = await daily;
  expect(results['A']?.frames?.[0]?.data.values[1]).toEqual(activeByDay);
  await expect(dashboard).toHavePanelErrors(0);
});

test('a pair: what one user made to another', async ({ explorePage, page, counted }) => {
  const [most] = counted.who;
  const answered = answerTo(page, '"preset":"pair"');
  await explorePage.goto({
    queryParams: new URLSearchParams({
      schemaVersion: '1',
      orgId: '1',
      panes: JSON.stringify({
        one: {
          datasource: SOURCE.uid,
          queries: [
            {
              refId: 'A',
              datasource: { type: SOURCE.type, uid: SOURCE.uid },
              version: 1,
              preset: 'pair',
              ids: [most?.id, USER],
              types: [],
              every: '1d',
              calc: 'count',
              groupBy: ['type'],
            },
          ],
          range: week,
        },
      }),
    }),
  });
  expect(summed(await answered)).toBe(most?.count);
});
