import {
  dataFrameFromJSON,
  isDataFrame,
  isLiveChannelMessageEvent,
  isLiveChannelStatusEvent,
  LoadingState,
} from '@grafana/data';
import type {
  DataFrame,
  DataFrameJSON,
  DataQueryRequest,
  DataQueryResponse,
  QueryResultMetaNotice,
} from '@grafana/data';
import type { GrafanaLiveSrv } from '@grafana/runtime';
import { catchError, EMPTY, merge, mergeMap, of, scan, startWith } from 'rxjs';
import type { Observable } from 'rxjs';
import { isSeriesPreset } from '../../contract/presets.ts';
import { isSingle } from '../../contract/query.ts';
import type { Covered } from '../query/windows.ts';
import { messageOf } from '../resources.ts';
import type { UserpulseQuery } from '../types.ts';
import { liveAddress, liveEvery } from './channel.ts';
import { mergeWindows } from './merge.ts';

/** Only a range that ends now has new windows to show. */
export const endsNow = ({ range }: Pick<DataQueryRequest, 'range'>): boolean =>
  typeof range.raw.to === 'string' && /^now(\/|\+|$)/.test(range.raw.to);

export const canGoLive = ({ live, preset, calc }: UserpulseQuery): boolean =>
  live === true && isSeriesPreset(preset) && !isSingle(calc);

const STILL: QueryResultMetaNotice = {
  severity: 'info',
  text: 'Tables, totals and reach have no windows that could stream: this answer stays as it is. Run the query again for a new one.',
};

/** Says in the answers of queries that cannot be live that they are not. */
export function withStillNotices(answer: DataQueryResponse, queries: readonly UserpulseQuery[]): DataQueryResponse {
  const still = new Set(queries.filter((query) => !canGoLive(query)).map(({ refId }) => refId));
  return {
    ...answer,
    data: answer.data.map((frame: unknown) =>
      isDataFrame(frame) && still.has(frame.refId ?? '')
        ? { ...frame, meta: { ...frame.meta, notices: [...(frame.meta?.notices ?? []), STILL] } }
        : frame,
    ),
  };
}

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
  const own: Notices = new Map(
    answer.data.filter(isDataFrame).map(({ refId = '', meta }) => [refId, meta?.notices ?? []]),
  );
  const streaming: DataQueryResponse = { ...answer, state: LoadingState.Streaming };
  return merge(...streams).pipe(
    scan((last, tick) => apply(last, tick, { fromMs: now() - rangeMs, untilMs: now() }, own), streaming),
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

/** Notices by refId. */
type Notices = ReadonlyMap<string, readonly QueryResultMetaNotice[]>;

/** @param own notices of the answer, which stay */
function apply(answer: DataQueryResponse, tick: Tick, range: Covered, own: Notices): DataQueryResponse {
  return {
    ...answer,
    data: answer.data.map((frame: unknown) => {
      if (!isDataFrame(frame) || frame.refId !== tick.query.refId) return frame;
      // A notice about the stream comes without windows. What was shown stays, and the notice stands until windows come again: numbers that
      // silently stop moving look like calm.
      const interrupted = 'stopped' in tick ? [stoppedNotice(tick.stopped)] : (tick.changed.meta?.notices ?? []);
      const next =
        'stopped' in tick || tick.changed.length === 0 ? frame : mergeWindows(frame, tick.changed, tick.query, range);
      return { ...next, meta: { ...next.meta, notices: [...(own.get(tick.query.refId) ?? []), ...interrupted] } };
    }),
  };
}

const stoppedNotice = (reason: string): QueryResultMetaNotice => ({
  severity: 'warning',
  text: `Live updates stopped: ${reason} The panel shows what it had; refresh to try again.`,
});
