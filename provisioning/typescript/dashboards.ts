import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { ID_PRESETS } from '../../contract/presets.ts';
import { operations } from './operations.ts';
import { overview } from './overview.ts';
import { publicOverview } from './public.ts';
import { question } from './question.ts';
import { reach } from './reach.ts';

/** File name (without .json) → dashboard. The plugin bundles the files; provisioning reads them from the same folder. */
export const dashboards: Readonly<Record<string, () => DashboardBuilder>> = {
  overview,
  ...Object.fromEntries(ID_PRESETS.map((preset) => [preset, () => question(preset)])),
  reach,
  operations,
  public: publicOverview,
};

/** The text of a dashboard's file. Panels are numbered so that links to a panel survive a new start of Grafana. */
export function dashboardJson(build: () => DashboardBuilder): string {
  const model = build().build();
  model.panels?.forEach((panel, index) => {
    panel.id = index + 1;
  });
  return `${JSON.stringify(model, null, 2)}\n`;
}
