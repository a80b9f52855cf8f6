import { PRESETS, RANKED_PRESETS, type Preset } from '../../../contract/presets.ts';
import {
  CALCULATIONS,
  DIRECTION_NAMES,
  DIRECTIONS,
  INCOMPLETE_NAMES,
  INCOMPLETE_WINDOWS,
  type Calculation,
} from '../../../contract/query.ts';
import type { Suggestion } from './Suggestions.tsx';

export const presetOptions = <P extends Preset>(presets: readonly P[]) =>
  presets.map((value) => {
    const { label, description } = PRESETS[value];
    return { value, label, description };
  });

export const calculationOptions = <C extends Calculation>(calculations: readonly C[]) =>
  calculations.map((value) => {
    const { label, description } = CALCULATIONS[value];
    return { value, label, description };
  });

export const INCOMPLETE_OPTIONS = INCOMPLETE_NAMES.map((value) => ({ value, ...INCOMPLETE_WINDOWS[value] }));

export const DIRECTION_OPTIONS = DIRECTION_NAMES.map((value) => ({ value, ...DIRECTIONS[value] }));

/** Whose people `who` lists, and which. */
export const WHO_OPTIONS = RANKED_PRESETS.map((value) => ({ value, label: PRESETS[value].ids.people }));

/** Who can be ranked, and by what. */
export const RANKING_OPTIONS = RANKED_PRESETS.map((value) => ({ value, label: PRESETS[value].ids.ranking }));

const each = (texts: Readonly<Record<string, string>>): Suggestion[] =>
  Object.entries(texts).map(([value, description]) => ({ value, description }));

export const WINDOW_SUGGESTIONS: readonly Suggestion[] = each({
  auto: 'fits the panel',
  '10s': '10 seconds',
  '1m': '1 minute',
  '5m': '5 minutes',
  '10m': '10 minutes',
  '30m': '30 minutes',
  '1h': '1 hour',
  '6h': '6 hours',
  '1d': '1 day',
  '1w': '1 week, from Monday',
  '1mo': '1 month',
  $__interval: 'the panel’s interval',
});

export const COMPARE_SUGGESTIONS: readonly Suggestion[] = each({
  '1h': '1 hour earlier',
  '1d': '1 day earlier',
  '1w': '1 week earlier',
  '1mo': '1 month earlier',
  '1y': '1 year earlier',
  $__range: 'the time range before this one',
});

export const LEGEND_SUGGESTIONS: readonly Suggestion[] = each({
  '{{id}} {{type}}': '88 like',
  '{{type}}': 'like',
  '{{id}}': '88',
  '{{type}} {{compare}}': 'like 1w',
});

/** IANA zones that this browser knows; UTC first, since alerts and teams agree on it. */
export const timezoneOptions = (): { readonly value: string; readonly label: string }[] =>
  ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')].map((value) => ({
    value,
    label: value,
  }));
