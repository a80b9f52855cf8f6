import { ID_KINDS } from '../../contract/ids.ts';
import { idKindOf, isIdPreset, isTablePreset, PRESETS } from '../../contract/presets.ts';
import { CALCULATIONS, DEFAULT_TOP, INCOMPLETE_WINDOWS, isSingle } from '../../contract/query.ts';
import { texts } from '../texts.ts';
import type { UserpulseQuery } from '../types.ts';

/** One line that says what a query asks, for collapsed query rows and Explore's history. */
export function describeQuery(query: UserpulseQuery): string {
  const parts = [subject(query)];
  if (query.types.length > 0) parts.push(query.types.join(', '));
  if (!isTablePreset(query.preset)) {
    const window = isSingle(query.calc) ? '' : ` per ${query.every === 'auto' ? 'window' : query.every}`;
    parts.push(`${CALCULATIONS[query.calc].summary}${window}`);
    if (query.compareTo !== undefined) parts.push(`against ${query.compareTo} earlier`);
  }
  if (query.live) parts.push('live');
  return parts.join(' · ');
}

function subject({ preset, ids, direction, of = DEFAULT_TOP.of, n = DEFAULT_TOP.n }: UserpulseQuery): string {
  const { summary } = PRESETS[preset];
  const named = ids.length === 0 ? '(no id yet)' : ids.join(', ');
  if (isIdPreset(preset)) return `${summary} ${named}`;
  if (preset === 'pair') {
    const [first = '(no id yet)', second = '(no id yet)'] = ids;
    return direction === 'both' ? `Between ${first} and ${second}` : `${summary} ${first} to ${second}`;
  }
  if (preset === 'who') return `${summary}: top ${n} ${of === 'made' ? `of what ${named} made` : `for ${named}`}`;
  if (preset !== 'top') return summary;
  const kind = idKindOf(of);
  return `${summary} ${n} ${ID_KINDS[kind].plural}${kind === 'user' ? `, ${of}` : ''}`;
}

/** What the folded options of a query are, where they are not their defaults. */
export function describeOptions({ calc, compareTo, legend, timezone, incomplete, live }: UserpulseQuery): string {
  const { query, options } = texts;
  const windows = !isSingle(calc);
  const parts: readonly (readonly [label: string, value: string | undefined])[] = [
    [query.compareTo.label, compareTo],
    [query.legend.label, legend],
    [query.timezone.label, timezone],
    [query.incomplete.label, windows && incomplete !== undefined ? INCOMPLETE_WINDOWS[incomplete].label : undefined],
    [query.live.label, windows && live === true ? options.on : undefined],
  ];
  const shown = parts.filter(([, value]) => value !== undefined && value !== '');
  if (shown.length === 0) return windows ? options.none : options.noneOfTotal;
  return shown.map(([label, value]) => `${label}: ${value ?? ''}`).join(' · ');
}
