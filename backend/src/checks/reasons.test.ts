import { describe, expect, it } from 'vitest';
import { awsFailure } from '../aws/failure.ts';
import { influxMessage } from '../influx/api.ts';
import { networkReason } from '../network.ts';

const named = (name: string, status?: number, message = 'words'): Error =>
  Object.assign(new Error(message), {
    name,
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
  });
const coded = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

describe('awsFailure', () => {
  it.each([
    [named('ResourceNotFoundException', 400), 'not_found'],
    [named('NotFound', 404), 'not_found'],
    [named('NoSuchBucket', 404), 'not_found'],
    [named('AccessDeniedException', 400), 'unauthorized'],
    [named('UnrecognizedClientException', 400), 'unauthorized'],
    [named('SignatureDoesNotMatch', 403), 'unauthorized'],
    [named('Unknown', 403), 'unauthorized'],
    [named('CredentialsProviderError'), 'no_credentials'],
    [named('Error', undefined, 'Region is missing'), 'no_region'],
    [coded('ECONNREFUSED'), 'unreachable'],
    [named('InternalFailure', 500), 'other'],
    ['text', 'other'],
  ] as const)('%s is %s', (error, kind) => {
    expect(awsFailure(error).kind).toBe(kind);
  });

  it('gives its reason as one line without a full stop, for sentences end behind it', () => {
    const error = named('InvalidSignatureException', 403, 'It does not match.\nAll that was signed: secret');
    expect(awsFailure(error).reason).toBe('It does not match');
  });
});

describe('networkReason', () => {
  it.each([
    [coded('ECONNREFUSED'), 'connection refused'],
    [new Error('fetch failed', { cause: coded('ENOTFOUND') }), 'unknown host name'],
    [new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')], ''), 'connection refused'],
    [new DOMException('late', 'TimeoutError'), 'timed out waiting for a response'],
    [new Error('something else'), 'something else'],
  ])('%s', (error, text) => {
    expect(networkReason(error)).toContain(text);
  });
});

describe('influxMessage', () => {
  it.each([
    ['{"code":"not found","message":"bucket \\"x\\" not found"}', 'bucket "x" not found'],
    ['<html>502</html>', '<html>502</html>'],
    ['{"message":5}', '{"message":5}'],
    ['', ''],
  ])('%s', (text, message) => {
    expect(influxMessage(text)).toBe(message);
  });
});
