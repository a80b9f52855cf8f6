import { LiveChannelScope } from '@grafana/data';
import type { DataFrame, LiveChannelAddress } from '@grafana/data';
import { countsPeople, STREAM_FIELDS } from '../../contract/query.ts';
import { windowMs } from '../query/windows.ts';
import type { UserpulseQuery } from '../types.ts';

/** FNV-1a, 64 bits, of the text's UTF-8 bytes, as 16 hex digits. The gateway computes the same (pkg/README.md, "Live"). */
export function fnv1a64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}

/** The gateway's channel for a query without variables. */
export function liveAddress(dataSourceUid: string, query: UserpulseQuery, every: string): LiveChannelAddress {
  // Rates and sums are made of counts here, so that they share the stream of counts.
  const asked = { ...query, every, calc: countsPeople(query.calc) ? 'unique' : undefined };
  const text = JSON.stringify(Object.fromEntries(STREAM_FIELDS.map((name) => [name, asked[name]])));
  return {
    scope: LiveChannelScope.DataSource,
    stream: dataSourceUid,
    // Grafana 12.3, the oldest supported, knows the stream by this name only.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    namespace: dataSourceUid,
    path: `live/${fnv1a64(text)}`,
    data: { query: text },
  };
}

/** The window length to stream: as asked, or what `auto` came to in the answer. A stream takes no `auto`. */
export function liveEvery(query: UserpulseQuery, frame: DataFrame): string | undefined {
  if (query.every !== 'auto') return query.every;
  const ms = windowMs(frame);
  if (ms === undefined) return undefined;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
