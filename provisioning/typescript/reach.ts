import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { bars, dashboard, lines, numbers, table } from './panels.ts';
import { everyone, received, who } from './query.ts';
import { intervalVariable, oneUserVariable, typeVariable } from './variables.ts';

/** Different people: how many one user reaches and who they are, and how many are active at all. */
export function reach(): DashboardBuilder {
  const user = () => received('$user').types('$type');
  const active = (every: string) =>
    everyone().types('$type').calc('unique').every(every).groupBy().legend('active users');
  return (
    dashboard(
      'userpulse-reach',
      'Userpulse / Reach',
      'How many different people interacted with a user, who they are, and how many people are active. Someone who likes twice counts once.',
    )
      .time({ from: 'now-7d', to: 'now' })
      // Different people are found by reading each interaction of the time range.
      .refresh('5m')
      .withVariable(oneUserVariable())
      .withVariable(typeVariable())
      .withVariable(intervalVariable())
      .withPanel(
        numbers('Reach', 'Different people who interacted with the user in the time range. Not the sum of the windows.')
          .withTarget(user().calc('reach').groupBy('id').legend('people'))
          .span(6)
          .height(5),
      )
      .withPanel(
        numbers('Reach by type', 'Different people in the time range by type. One person may be in several.')
          .withTarget(user().calc('reach').groupBy('type').legend('{{type}}'))
          .span(12)
          .height(5),
      )
      .withPanel(
        numbers('Active users', 'Different people who did anything in the time range.')
          .withTarget(everyone().types('$type').calc('reach').groupBy().legend('people'))
          .span(6)
          .height(5),
      )
      .withPanel(
        lines('People by type', 'Different people who interacted with the user in each window, by type.')
          .withTarget(user().calc('unique').every('$interval').groupBy('type').legend('{{type}}').live())
          .span(16)
          .height(10),
      )
      .withPanel(
        table('Who', 'The people who interacted most with the user in the time range.')
          .withTarget(who('received', '$user', 25).types('$type'))
          .span(8)
          .height(18),
      )
      .withPanel(
        lines(
          'Compared with a week ago',
          'Different people of all types, and the same a week earlier, on one time axis.',
        )
          .withTarget(
            user().calc('unique').every('$interval').groupBy('id').compareTo('1w').legend('people {{compare}}'),
          )
          .span(16)
          .height(8),
      )
      .withPanel(
        bars('Daily active users', 'Different people who did anything in each day.')
          .withTarget(active('1d'))
          .span(8)
          .height(8),
      )
      .withPanel(
        bars('Weekly active users', 'Different people who did anything in each week, from Monday.')
          .withTarget(active('1w'))
          .span(8)
          .height(8),
      )
      .withPanel(
        bars('Monthly active users', 'Different people who did anything in each month.')
          .withTarget(active('1mo'))
          .span(8)
          .height(8),
      )
  );
}
