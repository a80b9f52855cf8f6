import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { ID_KINDS } from '../../contract/ids.ts';
import { dashboardUid, idKindOf, isRanked, PRESETS, type IdPreset } from '../../contract/presets.ts';
import { bars, dashboard, lines, numbers, ranking } from './panels.ts';
import { top, UserpulseQueryBuilder } from './query.ts';
import { idVariable, intervalVariable, typeVariable } from './variables.ts';

/** The dashboard of a preset, for one or several ids. These dashboards differ in the preset only. */
export function question(preset: IdPreset): DashboardBuilder {
  const { title, counted } = PRESETS[preset].ids;
  const { noun, plural } = ID_KINDS[idKindOf(preset)];
  const what = `The ${counted}`;
  const query = () => new UserpulseQueryBuilder(preset, [`$${idKindOf(preset)}`]).types('$type').every('$interval');
  // Where only one ID can be chosen, its name would only fill the legend.
  const byType = isRanked(preset) ? '{{id}} {{type}}' : '{{type}}';
  const built = dashboard(dashboardUid(preset), `Userpulse / ${title}`, `${what}, by type.`)
    .withVariable(idVariable(preset, `${noun.charAt(0).toUpperCase()}${noun.slice(1)}`))
    .withVariable(typeVariable())
    .withVariable(intervalVariable())
    .withPanel(
      numbers('In the time range', `${what} in the time range, by type.`)
        .withTarget(query().calc('total').legend(byType))
        .span(24)
        .height(4),
    )
    .withPanel(
      bars(title, `${what} in each window, by type.`).withTarget(query().legend(byType).live()).span(24).height(10),
    )
    .withPanel(
      lines('Running sum', `${what}, added up from the start of the time range.`)
        .withTarget(
          query()
            .calc('cumulative')
            .groupBy('id')
            .legend(isRanked(preset) ? '{{id}}' : 'interactions'),
        )
        .span(12)
        .height(8),
    )
    .withPanel(
      lines('Compared with a day ago', `${what}, and the same a day earlier, on one time axis.`)
        .withTarget(
          query()
            .groupBy('id')
            .compareTo('1d')
            .legend(isRanked(preset) ? '{{id}} {{compare}}' : 'interactions {{compare}}'),
        )
        .span(12)
        .height(8),
    );
  if (!isRanked(preset)) return built;
  return built.withPanel(
    ranking(`Top ${plural}`, `The 25 with the most interactions in the time range, to choose from.`)
      .withTarget(top(preset, 25).types('$type'))
      .span(24)
      .height(12),
  );
}
