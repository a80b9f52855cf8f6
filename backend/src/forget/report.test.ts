import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ErasureKey } from '../erasure/erasure-key.ts';
import { NOT_REACHED, signReport, verifyReport, type ErasureReport } from './report.ts';

const key = new ErasureKey('a-key-that-is-long-enough-for-tests');
const report: ErasureReport = {
  version: 1,
  program: 'userpulse 0',
  subject: { kind: 'user', id: '88' },
  replacement: 'nobody',
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: '2026-01-01T00:00:01.000Z',
  influxdb: {
    host: 'http://localhost:8086',
    org: 'o',
    points: { made: { removed: 1, rewritten: 2 } },
    hours: 1,
    left: 0,
  },
  archive: { url: 'file:///a', events: 1, rejected: 0, tableRows: 0, left: 0 },
  notReached: [...NOT_REACHED],
};

describe('a report', () => {
  it('is known by its key, and as changed where a byte of it was', () => {
    const text = JSON.stringify(signReport(report, key));
    expect(verifyReport(text, key)).toBe('valid');
    expect(verifyReport(text.replace('"removed":1', '"removed":2'), key)).toBe('changed');
    expect(verifyReport(text.replace('"id":"88"', '"id":"89"'), key)).toBe('changed');
    expect(verifyReport(text, new ErasureKey('another-key-that-is-long-enough'))).toBe('other_key');
    expect(() => verifyReport('{}', key)).toThrow();
  });

  it('can be checked by anybody who has the public key', () => {
    const signed = signReport(report, key);
    const by = createPublicKey({ key: Buffer.from(signed.publicKey, 'base64'), format: 'der', type: 'spki' });
    const bytes = Buffer.from(JSON.stringify(signed.report));
    expect(verify(null, bytes, by, Buffer.from(signed.signature, 'base64'))).toBe(true);
  });
});
