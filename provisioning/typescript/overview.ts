import { AdHocVariableBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { bars, dashboard, lines, numbers, PER_SECOND, ranking } from './panels.ts';
import { DATASOURCE, everyone, top } from './query.ts';
import { intervalVariable, typeVariable } from './variables.ts';

/** Everyone at once: counts by type, the comparison with a week ago, and the leading users and shares. */
export function overview(): DashboardBuilder {
  return dashboard(
    'userpulse-overview',
    'Userpulse / Overview',
    'All interactions by type, and the leading users and shares.',
  )
    .withVariable(typeVariable())
    .withVariable(intervalVariable())
    .withVariable(new AdHocVariableBuilder('filters').label('Filters').datasource(DATASOURCE))
    .withPanel(
      numbers('Interactions in the range', 'All interactions in the time range, by type.')
        .withTarget(everyone().types('$type').calc('total').legend('{{type}}'))
        .span(24)
        .height(4),
    )
    .withPanel(
      bars('Interactions by type', 'All interactions in each window, by type.')
        .withTarget(everyone().types('$type').every('$interval').legend('{{type}}').live())
        .span(16)
        .height(9),
    )
    .withPanel(
      lines('Interactions per second', 'The count of each whole window divided by its length.')
        .withTarget(everyone().types('$type').every('$interval').calc('rate').groupBy('type').legend('{{type}}'))
        .decimals(2)
        .unit(PER_SECOND)
        .span(8)
        .height(9),
    )
    .withPanel(
      lines('Compared with a week ago', 'All types summed, and the same a week earlier, on one time axis.')
        .withTarget(everyone().types('$type').every('$interval').groupBy().compareTo('1w').legend('all {{compare}}'))
        .span(24)
        .height(7),
    )
    .withPanel(
      ranking('Top users by interactions made', 'The ten users who made the most interactions in the time range.')
        .withTarget(top('made').types('$type'))
        .span(7)
        .height(10),
    )
    .withPanel(
      ranking(
        'Top users by interactions received',
        'The ten users who received the most interactions in the time range.',
      )
        .withTarget(top('received').types('$type'))
        .span(7)
        .height(10),
    )
    .withPanel(
      ranking('Top shares', 'The ten shares that received the most interactions in the time range.')
        .withTarget(top('share').types('$type'))
        .span(10)
        .height(10),
    );
}
