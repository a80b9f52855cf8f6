import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import type { IdPreset } from '../../contract/presets.ts';
import { bars, dashboard, lines, numbers, ranking } from './panels.ts';
import { top, UserpulseQueryBuilder } from './query.ts';
import { idVariable, typeVariable } from './variables.ts';

const TEXTS: Readonly<Record<IdPreset, { readonly title: string; readonly subject: string; readonly what: string }>> = {
  made: { title: 'Made by a user', subject: 'User', what: 'interactions that the selected users made' },
  received: { title: 'Received by a user', subject: 'User', what: 'interactions that the selected users received' },
  share: { title: 'Received by a share', subject: 'Share', what: 'interactions that the selected shares received' },
};

/** One of the three questions, for one or several ids. The three dashboards differ in the question only. */
export function question(preset: IdPreset): DashboardBuilder {
  const { title, subject, what } = TEXTS[preset];
  const query = () => new UserpulseQueryBuilder(preset, ['$id']).types('$type');
  return dashboard(`userpulse-${preset}`, `Userpulse / ${title}`, `The ${what}, by type.`)
    .withVariable(idVariable(preset, subject))
    .withVariable(typeVariable())
    .withPanel(
      numbers('In the time range', `The ${what} in the time range, by type.`)
        .withTarget(query().calc('total').legend('{{id}} {{type}}'))
        .span(24)
        .height(4),
    )
    .withPanel(
      bars(title, `The ${what} in each window, by type.`)
        .withTarget(query().legend('{{id}} {{type}}').live())
        .span(24)
        .height(10),
    )
    .withPanel(
      lines('Running sum', `The ${what}, added up from the start of the time range.`)
        .withTarget(query().calc('cumulative').groupBy('id').legend('{{id}}'))
        .span(12)
        .height(8),
    )
    .withPanel(
      lines('Compared with a day ago', `The ${what}, and the same a day earlier, on one time axis.`)
        .withTarget(query().groupBy('id').compareTo('1d').legend('{{id}} {{compare}}'))
        .span(12)
        .height(8),
    )
    .withPanel(
      ranking(`Top ${subject.toLowerCase()}s`, `The 25 with the most interactions in the time range, to choose from.`)
        .withTarget(top(preset, 25).types('$type'))
        .span(24)
        .height(12),
    );
}
