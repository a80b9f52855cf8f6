import { describe, expect, it } from 'vitest';
import { ingestReadiness, type IngestStatus } from './status.ts';

const NOW = Date.parse('2026-11-26T12:00:00Z');
const well: IngestStatus = {
  mode: 'running',
  streamTroubleSinceMs: undefined,
  sinkTroubles: [],
  inflightBytes: 0,
  shards: [],
};

describe('ingestReadiness', () => {
  it('is ready where all is well', () => expect(ingestReadiness(well, NOW)).toEqual({ ready: true }));
  it.each(['influxdb', 'archive', 'checkpoint'] as const)('rides out a minute without %s, and no more', (sink) => {
    const since = (ms: number): IngestStatus => ({ ...well, sinkTroubles: [{ sink, sinceMs: NOW - ms }] });
    expect(ingestReadiness(since(59_999), NOW)).toEqual({ ready: true });
    const late = ingestReadiness(since(60_000), NOW);
    expect(late).toMatchObject({ ready: false });
    // Probes send no token: they learn what fails, and not where it is.
    expect(late.ready ? '' : late.message).toContain(`"${sink}" since 2026-11-26T11:59:00.000Z`);
  });
});
