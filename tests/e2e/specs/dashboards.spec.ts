import { expect, test } from '@grafana/plugin-e2e';

/** The uids are pinned in provisioning/typescript: links from elsewhere rely on them. */
for (const uid of [
  'userpulse-overview',
  'userpulse-made',
  'userpulse-received',
  'userpulse-share',
  'userpulse-operations',
]) {
  test(`the provisioned dashboard ${uid} draws every panel without an error`, async ({ gotoDashboardPage }) => {
    const dashboard = await gotoDashboardPage({ uid, timeRange: { from: 'now-15m', to: 'now' } });
    await expect(dashboard).toHavePanelErrors(0);
  });
}

test('the provisioned rule on a user evaluates', async ({ readProvisionedAlertRule, gotoAlertRuleEditPage }) => {
  const rule = await readProvisionedAlertRule({
    fileName: 'rules.json',
    groupName: 'userpulse',
    ruleTitle: 'Interactions of a user spike',
  });
  const page = await gotoAlertRuleEditPage(rule);
  await expect(page.evaluate()).toBeOK();
});
