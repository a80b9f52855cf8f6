import type { BackendSrv, BackendSrvRequest, FetchResponse } from '@grafana/runtime';
import { lastValueFrom, Observable } from 'rxjs';
import { frontendSettings } from '../frontendSettings.ts';

const queryString = (params: Record<string, unknown> | undefined): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value == null) continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
};

async function parse(response: Response, as: BackendSrvRequest['responseType']): Promise<unknown> {
  if (as === 'arraybuffer') return response.arrayBuffer();
  if (as === 'blob') return response.blob();
  const text = await response.text();
  if (as === 'text') return text;
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Grafana's BackendSrv over fetch. Non-2xx answers are thrown as a response object with `data`, an aborted call as `cancelled`;
 * a new call with the `requestId` of a running one cancels that one.
 */
export function createBackendSrv(): BackendSrv {
  const running = new Map<string, AbortController>();

  const call = <T>(options: BackendSrvRequest): Observable<FetchResponse<T>> =>
    new Observable((subscriber) => {
      const abort = new AbortController();
      const { requestId, method = 'GET' } = options;
      if (requestId !== undefined) {
        running.get(requestId)?.abort();
        running.set(requestId, abort);
      }
      options.abortSignal?.addEventListener('abort', () => abort.abort());
      const hasBody = options.data !== undefined && method !== 'GET';
      // Grafana answers relative paths under its own root.
      const url = (/^(\/|https?:)/.test(options.url) ? options.url : `/${options.url}`) + queryString(options.params);
      fetch(url, {
        method,
        signal: abort.signal,
        headers: {
          ...(hasBody && { 'Content-Type': 'application/json' }),
          ...(options.headers as Record<string, string>),
        },
        ...(hasBody && { body: JSON.stringify(options.data) }),
      })
        .then(async (response) => {
          const answer = {
            data: (await parse(response, options.responseType)) as T,
            status: response.status,
            statusText: response.statusText,
            ok: response.ok,
            headers: response.headers,
            redirected: response.redirected,
            type: response.type,
            url: response.url,
            config: options,
          };
          if (response.ok) {
            subscriber.next(answer);
            subscriber.complete();
          } else {
            const data = answer.data as { message?: string } | string;
            subscriber.error({
              ...answer,
              data: typeof data === 'string' ? { message: data, error: response.statusText } : data,
            });
          }
        })
        .catch((error: unknown) => {
          if (abort.signal.aborted) {
            subscriber.error({
              type: 'cancelled',
              cancelled: true,
              status: -1,
              statusText: 'Request was aborted',
              data: null,
              config: options,
            });
          } else {
            const message = error instanceof Error ? error.message : String(error);
            subscriber.error({ status: undefined, statusText: message, data: { message }, config: options, message });
          }
        })
        .finally(() => {
          if (requestId !== undefined && running.get(requestId) === abort) running.delete(requestId);
        });
      return () => abort.abort();
    });

  const data = async <T>(options: BackendSrvRequest): Promise<T> => (await lastValueFrom(call<T>(options))).data;
  return {
    fetch: call,
    chunked: () => {
      throw new Error('The plugin host does not answer chunked calls.');
    },
    request: data,
    datasourceRequest: (options: BackendSrvRequest) => lastValueFrom(call(options)),
    // Grafana's server makes these; here the page puts them together from the host's data source and the plugin's own files.
    get: (url: string, params?: Record<string, unknown>, requestId?: string) =>
      url === '/api/frontend/settings' ? frontendSettings() : data({ url, params, requestId }),
    post: (url: string, body?: unknown) => data({ url, data: body, method: 'POST' }),
    put: (url: string, body?: unknown) => data({ url, data: body, method: 'PUT' }),
    patch: (url: string, body?: unknown) => data({ url, data: body, method: 'PATCH' }),
    delete: (url: string, body?: unknown) => data({ url, data: body, method: 'DELETE' }),
  } as unknown as BackendSrv;
}
