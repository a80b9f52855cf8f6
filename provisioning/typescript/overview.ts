import { AdHocVariableBuilder, type DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { bars, dashboard, lines, numbers, ranking } from './panels.ts';
import { DATASOURCE, everyone, top } from './query.ts';
import { typeVariable } from './variables.ts';

/** Everyone at once: how much, of what, compared with a week ago, and who and what leads. */
export function overview(): DashboardBuilder {
  return dashboard(
    'userpulse-overview',
    'Userpulse / Overview',
    'Interactions of everyone by type, and the users and shares that lead.',
  )
    .withVariable(typeVariable())
    .withVariable(new AdHocVariableBuilder('filters').label('Filters').datasource(DATASOURCE))
    .withPanel(
      numbers('Interactions in the range', 'All interactions in the time range, by type.')
        .withTarget(everyone().types('$type').calc('total').legend('{{type}}'))
        .span(24)
        .height(4),
    )
    .withPanel(
      bars('Interactions by type', 'Interactions of everyone in each window.')
        .withTarget(everyone().types('$type').legend('{{type}}').live())
        .span(16)
        .height(9),
    )
    .withPanel(
      lines('Interactions per second', 'Rate of each window: its count divided by its length.')
        .withTarget(everyone().types('$type').calc('rate').groupBy('type').legend('{{type}}'))
        .decimals(2)
        .unit('cps')
        .span(8)
        .height(9),
    )
    .withPanel(
      lines('Compared with a week ago', 'All types summed, today and seven days earlier on the same axis.')
        .withTarget(everyone().types('$type').groupBy().compareTo('1w').legend('all {{compare}}'))
        .span(24)
        .height(7),
    )
    .withPanel(
      ranking('Users who make most', 'The ten users who made the most interactions in the range.')
        .withTarget(top('made').types('$type'))
        .span(8)
        .height(10),
    )
    .withPanel(
      ranking('Users who receive most', 'The ten users who received the most interactions in the range.')
        .withTarget(top('received').types('$type'))
        .span(8)
        .height(10),
    )
    .withPanel(
      ranking('Shares that receive most', 'The ten shares that received the most interactions in the range.')
        .withTarget(top('share').types('$type'))
        .span(8)
        .height(10),
    );
}
