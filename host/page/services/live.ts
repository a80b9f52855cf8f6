import {
  dataFrameToJSON,
  LiveChannelConnectionState,
  LiveChannelEventType,
  LoadingState,
  StreamingDataFrame,
  toDataFrame,
} from '@grafana/data';
import type { DataFrameJSON, DataQueryResponse, LiveChannelAddress, LiveChannelEvent } from '@grafana/data';
import type { GrafanaLiveSrv } from '@grafana/runtime';
import { map, Observable, of, scan } from 'rxjs';

/** Fields and rules of server-sent events that the Go host's stand-in for Grafana Live uses: `event`, `data`, comments. */
async function* serverSentEvents(body: ReadableStream<BufferSource>): AsyncGenerator<{ event: string; data: string }> {
  const reader = body.pipeThrough<string>(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split('\n');
      const field = (name: string) =>
        lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trimStart());
      const data = field('data');
      if (data.length > 0) yield { event: field('event')[0] ?? 'message', data: data.join('\n') };
    }
  }
}

/** The channel's frames until unsubscribed. Errors: the host's own message when the gateway refuses or the stream breaks. */
function frames(address: LiveChannelAddress & { data?: unknown; stream?: string }): Observable<DataFrameJSON> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    const search = new URLSearchParams({
      uid: address.stream ?? (address as { namespace?: string }).namespace ?? '',
      path: address.path,
      data: JSON.stringify(address.data ?? {}),
    });
    const read = async () => {
      const response = await fetch(`/api/live-standin?${search.toString()}`, { signal: abort.signal });
      if (!response.ok || response.body === null) {
        const { message } = (await response.json().catch(() => ({}))) as { message?: string };
        throw new Error(message ?? `Live updates were refused with ${response.status}.`);
      }
      for await (const { event, data } of serverSentEvents(response.body)) {
        if (event === 'error') throw new Error((JSON.parse(data) as { message: string }).message);
        subscriber.next(JSON.parse(data) as DataFrameJSON);
      }
    };
    read().then(
      () => subscriber.complete(),
      (error: unknown) => (abort.signal.aborted ? subscriber.complete() : subscriber.error(error)),
    );
    return () => abort.abort();
  });
}

/** Stands in for Grafana Live: data streams only, no presence, no publishing. */
export function createLiveSrv(): GrafanaLiveSrv {
  return {
    getConnectionState: () => of(true),
    getDataStream: (options) =>
      frames(options.addr).pipe(
        scan(
          (buffer: StreamingDataFrame | undefined, message) => {
            if (buffer) buffer.push(message);
            return buffer ?? StreamingDataFrame.fromDataFrameJSON(message, options.buffer);
          },
          options.frame ? StreamingDataFrame.fromDataFrameJSON(options.frame, options.buffer) : undefined,
        ),
        map((buffer): DataQueryResponse => {
          // A fresh frame per tick: panels compare frames by identity.
          const frame = buffer ? toDataFrame(dataFrameToJSON(buffer)) : undefined;
          return { data: frame ? [frame] : [], state: LoadingState.Streaming, key: options.key };
        }),
      ),
    getStream: <T>(address: LiveChannelAddress) =>
      frames(address).pipe(map((message) => ({ type: LiveChannelEventType.Message, message }) as LiveChannelEvent<T>)),
    getPresence: () =>
      Promise.reject(new Error(`The plugin host has no presence (${LiveChannelConnectionState.Connected}).`)),
    publish: () => Promise.reject(new Error('The plugin host does not publish to live channels.')),
  };
}
