import { useCallback, useMemo, useState } from 'react';
import type { TimeRange } from '@grafana/data';
import type { TopResult } from '../../../contract/answers.ts';
import type { RankedPreset } from '../../../contract/presets.ts';
import type { EditorServices } from '../../services.ts';
import { texts } from '../../texts.ts';
import type { Suggestion } from './Suggestions.tsx';

const HOW_MANY = 10;

/** The dashboard's variables, and, where ids of the preset can be ranked, the most active ids of the time range once they were asked for. */
export function useIdSuggestions(
  datasource: EditorServices,
  of: RankedPreset | undefined,
  range: TimeRange | undefined,
): { readonly suggestions: readonly Suggestion[]; readonly load: () => void } {
  const [top, setTop] = useState<{ readonly key: string; readonly ids: TopResult['top'] }>();
  // One request per question and hour of the range: these are hints, not results.
  const key = range
    ? `${of ?? ''}/${Math.floor(range.from.valueOf() / 3_600_000)}/${Math.floor(range.to.valueOf() / 3_600_000)}`
    : (of ?? '');

  const load = useCallback(() => {
    if (!range || of === undefined || top?.key === key) return;
    setTop({ key, ids: [] });
    datasource.resources.top({ of, n: HOW_MANY, range }).then(
      (ids) => setTop((current) => (current?.key === key ? { key, ids } : current)),
      // Suggestions are a help only; what is wrong with the backend shows where the query's answer would be.
      () => undefined,
    );
  }, [datasource, key, of, range, top?.key]);

  const ids = top?.key === key ? top.ids : undefined;
  const suggestions = useMemo(
    () => [
      ...datasource.variableNames().map((name) => ({ value: `$${name}`, group: texts.idsInput.variables })),
      ...(ids ?? []).map(({ id, count }) => ({
        value: id,
        description: texts.idsInput.interactions(count),
        group: texts.idsInput.top,
      })),
    ],
    [datasource, ids],
  );
  return { suggestions, load };
}
