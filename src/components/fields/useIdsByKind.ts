import { useRef } from 'react';
import type { IdKind } from '../../../contract/ids.ts';
import { askedIds, type Preset, type RankedPreset } from '../../../contract/presets.ts';
import { DEFAULT_TOP } from '../../../contract/query.ts';

/**
 * The ids that a query has with another preset: those it has, where the kind is the same; else those of that kind that were entered before. They
 * are remembered here and not saved, because a query holds only what it asks.
 */
export function useIdsByKind(query: {
  readonly preset: Preset;
  readonly ids: readonly string[];
  readonly of?: RankedPreset | undefined;
}) {
  const entered = useRef<Partial<Record<IdKind, readonly string[]>>>({});
  return (preset: Preset, of: RankedPreset = DEFAULT_TOP.of): readonly string[] => {
    const before = askedIds(query.preset, query.of ?? DEFAULT_TOP.of);
    if (before !== undefined) entered.current[before.kind] = query.ids;
    const asked = askedIds(preset, of);
    const ids = asked === undefined ? [] : (entered.current[asked.kind] ?? []);
    return asked?.exactly === undefined ? ids : ids.slice(0, asked.exactly);
  };
}
