import { mkdir, writeFile } from 'node:fs/promises';
import { alertRules } from './alerts.ts';
import { dashboardJson, dashboards } from './dashboards.ts';

/** Writes src/dashboards/*.json and provisioning/alerting/rules.json: `npx tsx provisioning/typescript/generate.ts` after any change in this folder. */
const folder = new URL('../../src/dashboards/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const [name, build] of Object.entries(dashboards)) {
  await writeFile(new URL(`${name}.json`, folder), dashboardJson(build));
}
await writeFile(new URL('../alerting/rules.json', import.meta.url), `${JSON.stringify(alertRules, null, 2)}\n`);
