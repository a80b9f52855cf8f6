import { useRef } from 'react';
import type { IdKind } from '../../../contract/ids.ts';
import { idKindOf, isIdPreset, type Preset } from '../../../contract/presets.ts';

/**
 * The ids that a query has with another preset: those it has, where the kind is the same; else those of that kind that were entered before. They
 * are remembered here and not saved, because a query holds only what it asks.
 */
export function useIdsByKind(query: { readonly preset: Preset; readonly ids: readonly string[] }) {
  const entered = useRef<Partial<Record<IdKind, readonly string[]>>>({});
  return (preset: Preset): readonly string[] => {
    if (isIdPreset(query.preset)) entered.current[idKindOf(query.preset)] = query.ids;
    return isIdPreset(preset) ? (entered.current[idKindOf(preset)] ?? []) : [];
  };
}
