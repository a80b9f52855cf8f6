import { describe, expect, it } from 'vitest';
import { httpError, STATUS } from './errors.ts';

describe('httpError', () => {
  it('has an HTTP error status for every code', () => {
    for (const [code, status] of Object.entries(STATUS))
      expect([code, status >= 400 && status < 600]).toEqual([code, true]);
  });
  it('hides what it does not know', () => {
    for (const thrown of [new Error('secret'), 'secret', undefined, { secret: 1 }]) {
      const { status, body, unexpected } = httpError(thrown, 1024);
      expect([status, body.error.code, unexpected]).toEqual([500, 'internal', true]);
      expect(JSON.stringify(body)).not.toContain('secret');
    }
  });
});
