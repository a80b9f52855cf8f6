import { createDataFrame, LoadingState } from '@grafana/data';
import type { DataFrame, DataQueryError, DataQueryResponse } from '@grafana/data';
import { DEFAULT_ID_FORMATS, type IdFormats } from '../../contract/ids.ts';
import { problemText } from '../../contract/problem.ts';
import { idsProblem } from '../../contract/rules.ts';
import { createdFrame } from '../annotations/events.ts';
import { messageOf } from '../resources.ts';
import type { UserpulseQuery } from '../types.ts';
import { filterTypes } from './filters.ts';

/** Queries for the gateway, and the answers that needed no asking. */
export interface Prepared {
  readonly queries: UserpulseQuery[];
  readonly data: DataFrame[];
  readonly errors: DataQueryError[];
}

/** Of other IDs nobody knows when the share was created. */
const CREATED_FORMATS: IdFormats = { ...DEFAULT_ID_FORMATS, share: 'objectid' };

/** @param known the interaction types that exist; see `needsKnownTypes` for when they matter */
export function prepare(targets: readonly UserpulseQuery[], known: readonly string[]): Prepared {
  const prepared: Prepared = { queries: [], data: [], errors: [] };
  for (const { filters = [], ...target } of targets) {
    if (target.annotation?.kind === 'created') {
      prepared.data.push(createdFrame(target));
      const problem = idsProblem({ preset: 'share', ids: target.ids }, CREATED_FORMATS);
      if (problem !== undefined) prepared.errors.push({ refId: target.refId, message: problemText(problem) });
      continue;
    }
    try {
      const { types, nothing } = filterTypes(target.types, filters, known);
      if (nothing) prepared.data.push(nothingPasses(target.refId));
      else prepared.queries.push({ ...target, types });
    } catch (error) {
      prepared.errors.push({ refId: target.refId, message: messageOf(error) });
    }
  }
  return prepared;
}

/** An empty type list would mean "all" to the backend, so this question is not put to it. */
const nothingPasses = (refId: string): DataFrame => ({
  ...createDataFrame({ refId, fields: [] }),
  meta: {
    notices: [{ severity: 'info', text: 'The dashboard’s filters let no interaction type of this query pass.' }],
  },
});

/** One response of both: Grafana replaces an earlier packet by a later one, so they cannot come one after the other. */
export function withAnswers(response: DataQueryResponse, { data, errors }: Prepared): DataQueryResponse {
  const allErrors = [...(response.errors ?? []), ...errors];
  return {
    ...response,
    data: response.data.concat(data),
    ...(allErrors.length > 0 && { errors: allErrors, state: LoadingState.Error }),
  };
}
