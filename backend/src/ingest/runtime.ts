import type { Registry } from 'prom-client';
import type { Lane } from './lane.ts';
import { createIngestMetrics, type IngestMetrics } from './metrics.ts';

/** Metrics that ingest and its sinks share; made before either. */
export interface IngestRuntime {
  readonly metrics: IngestMetrics;
  /** Filled in when ingest starts. */
  ingestion: { readonly live: () => LiveView } | undefined;
}

/** What the gauges are read from at each scrape. */
export interface LiveView {
  readonly inflightBytes: number;
  readonly lanes: readonly Lane[];
  /** Shards that wait for their parents. */
  readonly waiting: number;
  /** Points that are known to lie beside the place of their event id. */
  readonly relocations: number;
  readonly nowMs: number;
}

export function createIngestRuntime(registry: Registry): IngestRuntime {
  let ingestion: IngestRuntime['ingestion'];
  const live = (): LiveView | undefined => ingestion?.live();
  const ageSeconds = (watermark: (lane: Lane) => number): number => {
    const view = live();
    const lanes = view?.lanes.filter((lane) => lane.mode !== 'done') ?? [];
    if (view === undefined || lanes.length === 0) return 0;
    return Math.max(0, view.nowMs - Math.min(...lanes.map(watermark))) / 1000;
  };
  const metrics = createIngestMetrics(registry, {
    inflightBytes: () => live()?.inflightBytes ?? 0,
    millisBehindLatest: () =>
      (live()?.lanes ?? []).filter((l) => l.mode !== 'done').map((l) => [l.shardId, l.millisBehindLatest] as const),
    watermarkAgeSeconds: () => ({
      influxdb: ageSeconds((lane) => lane.influxWatermarkMs()),
      archive: ageSeconds((lane) => lane.archiveWatermarkMs()),
    }),
    shards: () => {
      const counts = new Map<string, number>([['waiting', live()?.waiting ?? 0]]);
      for (const lane of live()?.lanes ?? []) counts.set(lane.mode, (counts.get(lane.mode) ?? 0) + 1);
      return counts;
    },
    knownMoves: () => live()?.relocations ?? 0,
  });
  return {
    metrics,
    get ingestion() {
      return ingestion;
    },
    set ingestion(value) {
      ingestion = value;
    },
  };
}
