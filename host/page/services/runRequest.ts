import { dateMath, LoadingState, toDataFrame } from '@grafana/data';
import type {
  DataFrame,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceApi,
  PanelData,
  TimeRange,
} from '@grafana/data';
import { toDataQueryError } from '@grafana/runtime';
import { catchError, concat, from, map, of } from 'rxjs';
import type { Observable } from 'rxjs';

type QueryFunction = (request: DataQueryRequest) => Promise<DataQueryResponse> | Observable<DataQueryResponse>;

const isRelative = (raw: unknown): raw is string => typeof raw === 'string' && raw.startsWith('now');

/** A live panel's relative range moves on with each packet. */
function rangeNow(range: TimeRange): TimeRange {
  const { from: start, to: end } = range.raw;
  if (!isRelative(start)) return range;
  return {
    ...range,
    from: dateMath.toDateTime(start, { roundUp: false }) ?? range.from,
    to: isRelative(end) ? (dateMath.toDateTime(end, { roundUp: true }) ?? range.to) : range.to,
  };
}

/** Runs a data source's query and turns its answers into panel data, as the runRequest that Grafana gives to scenes. */
export function runRequest(
  datasource: DataSourceApi,
  asked: DataQueryRequest,
  ask?: QueryFunction,
): Observable<PanelData> {
  // Grafana's own leaves out what the data source says is not ready to run.
  const request = { ...asked, targets: asked.targets.filter((query) => datasource.filterQuery?.(query) ?? true) };
  const loading: PanelData = {
    state: LoadingState.Loading,
    series: [],
    annotations: [],
    timeRange: request.range,
    request,
  };
  if (request.targets.length === 0) return of({ ...loading, state: LoadingState.Done });
  const packets = new Map<string, DataQueryResponse>();
  const answers = from(ask ? ask(request) : (datasource.query(request) as Observable<DataQueryResponse>)).pipe(
    map((packet): PanelData => {
      packets.set(packet.key ?? 'A', packet);
      const frames: DataFrame[] = [...packets.values()].flatMap(({ data }) => data.map((frame) => toDataFrame(frame)));
      const errors = [...packets.values()].flatMap((one) => one.errors ?? (one.error ? [one.error] : []));
      const isAnnotation = ({ meta }: DataFrame) => meta?.dataTopic === 'annotations';
      return {
        state: errors.length > 0 ? LoadingState.Error : (packet.state ?? LoadingState.Done),
        series: frames.filter((frame) => !isAnnotation(frame)),
        annotations: frames.filter(isAnnotation),
        ...(errors[0] && { error: errors[0], errors }),
        timeRange: packet.state === LoadingState.Streaming ? rangeNow(request.range) : request.range,
        request,
      };
    }),
    catchError((thrown: { cancelled?: boolean }) => {
      if (thrown.cancelled) return of({ ...loading, state: LoadingState.Done });
      const error = toDataQueryError(thrown);
      return of({ ...loading, state: LoadingState.Error, error, errors: [error] });
    }),
  );
  return concat(of(loading), answers);
}
