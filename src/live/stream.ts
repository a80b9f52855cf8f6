import {
  dataFrameFromJSON,
  isDataFrame,
  isLiveChannelMessageEvent,
  isLiveChannelStatusEvent,
  LoadingState,
} from '@grafana/data';
import type { DataFrame, DataFrameJSON, DataQueryRequest, DataQueryResponse } from '@grafana/data';
import type { GrafanaLiveSrv } from '@grafana/runtime';
import { catchError, EMPTY, merge, mergeMap, of, scan, startWith } from 'rxjs';
import type { Observable } from 'rxjs';
import { messageOf } from '../resources.ts';
import type { UserpulseQuery } from '../types.ts';
import { liveAddress, liveEvery } from './channel.ts';
import { mergeWindows } from './merge.ts';

/** Only a range that ends now has new windows to show. */
export const endsNow = ({ range }: Pick<DataQueryRequest, 'range'>): boolean =>
  typeof range.raw.to === 'string' && /^now(\/|\+|$)/.test(range.raw.to);

export const canGoLive = ({ live, preset, calc }: UserpulseQuery): boolean =>
  live === true && preset !== 'top' && calc !== 'total';

type Tick =
  | { readonly query: UserpulseQuery; readonly changed: DataFrame }
  | { readonly query: UserpulseQuery; readonly stopped: string };

export interface LiveOptions {
  readonly uid: string;
  readonly live: Pick<GrafanaLiveSrv, 'getStream'>;
  readonly rangeMs: number;
  readonly now: () => number;
}

/** Follows an answer with what changes in its live queries. Each tick gives the whole answer anew, as Grafana replaces by it. */
export function followLive(
  answer: DataQueryResponse,
  queries: readonly UserpulseQuery[],
  { uid, live, rangeMs, now }: LiveOptions,
): Observable<DataQueryResponse> {
  const streams = queries.filter(canGoLive).flatMap((query) => {
    const frame = answer.data.find((one: unknown): one is DataFrame => isDataFrame(one) && one.refId === query.refId);
    const every = frame && liveEvery(query, frame);
    if (every === undefined) return [];
    return [ticks(live, query, liveAddress(uid, query, every))];
  });
  if (streams.length === 0) return of(answer);
  const streaming: DataQueryResponse = { ...answer, state: LoadingState.Streaming };
  return merge(...streams).pipe(
    scan((last, tick) => apply(last, tick, now() - rangeMs), streaming),
    startWith(streaming),
  );
}

function ticks(
  live: LiveOptions['live'],
  query: UserpulseQuery,
  address: ReturnType<typeof liveAddress>,
): Observable<Tick> {
  return live.getStream<DataFrameJSON>(address).pipe(
    mergeMap((event) => {
      if (isLiveChannelMessageEvent(event)) return of({ query, changed: dataFrameFromJSON(event.message) });
      if (isLiveChannelStatusEvent(event) && event.error !== undefined)
        return of({ query, stopped: messageOf(event.error) });
      return EMPTY;
    }),
    catchError((error: unknown) => of({ query, stopped: messageOf(error) })),
  );
}

function apply(answer: DataQueryResponse, tick: Tick, fromMs: number): DataQueryResponse {
  return {
    ...answer,
    data: answer.data.map((frame: unknown) => {
      if (!isDataFrame(frame) || frame.refId !== tick.query.refId) return frame;
      return 'changed' in tick
        ? mergeWindows(frame, tick.changed, tick.query.calc, fromMs)
        : stopped(frame, tick.stopped);
    }),
  };
}

/** What was shown stays, with a notice on the panel: numbers that silently stop moving look like calm. */
function stopped(frame: DataFrame, reason: string): DataFrame {
  const text = `Live updates stopped: ${reason} The panel shows what it had; refresh to try again.`;
  return {
    ...frame,
    meta: { ...frame.meta, notices: [...(frame.meta?.notices ?? []), { severity: 'warning', text }] },
  };
}
