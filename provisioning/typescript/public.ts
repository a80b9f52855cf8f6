import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { bars, lines, numbers, PER_SECOND, plainDashboard, ranking } from './panels.ts';
import { everyone, PLUGIN_ID, PROVISIONED_UID, top } from './query.ts';

const DATASOURCE = { type: PLUGIN_ID, uid: PROVISIONED_UID } as const;

/**
 * Everyone and the rankings, to be shared with people who have no account. Grafana replaces no variables on a public dashboard, not even that of
 * the data source: so this one has none, and names the provisioned data source.
 */
export function publicOverview(): DashboardBuilder {
  return plainDashboard(
    'userpulse-public',
    'Userpulse / Public overview',
    'All interactions by type, and the leading users and shares, without variables: this dashboard can be shared publicly.',
  )
    .withPanel(
      numbers('Interactions in the range', 'All interactions in the time range, by type.')
        .datasource(DATASOURCE)
        .withTarget(everyone().datasource(PROVISIONED_UID).calc('total').legend('{{type}}'))
        .span(24)
        .height(4),
    )
    .withPanel(
      bars('Interactions by type', 'All interactions in each window, by type.')
        .datasource(DATASOURCE)
        .withTarget(everyone().datasource(PROVISIONED_UID).legend('{{type}}'))
        .span(24)
        .height(9),
    )
    .withPanel(
      lines('Interactions per second', 'The count of each whole window divided by its length.')
        .datasource(DATASOURCE)
        .withTarget(everyone().datasource(PROVISIONED_UID).calc('rate').groupBy('type').legend('{{type}}'))
        .decimals(2)
        .unit(PER_SECOND)
        .span(24)
        .height(8),
    )
    .withPanel(
      ranking('Top users by interactions received', 'The ten users who received the most interactions.')
        .datasource(DATASOURCE)
        .withTarget(top('received').datasource(PROVISIONED_UID))
        .span(12)
        .height(10),
    )
    .withPanel(
      ranking('Top shares', 'The ten shares that received the most interactions.')
        .datasource(DATASOURCE)
        .withTarget(top('share').datasource(PROVISIONED_UID))
        .span(12)
        .height(10),
    );
}
