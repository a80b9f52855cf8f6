import { describe, expect, it } from 'vitest';
import { UserpulseError } from './errors.ts';
import { clause, sentences } from './format.ts';
import { networkReason } from './network.ts';

describe('texts that are composed', () => {
  it.each([
    [['The checkpoint store is not open.', 'Retrying'], 'The checkpoint store is not open. Retrying.'],
    [['Rate exceeded', 'Retrying'], 'Rate exceeded. Retrying.'],
    [['Is it in seconds?', undefined, '', ' Set it. '], 'Is it in seconds? Set it.'],
  ])('%j are %s', (parts, text) => expect(sentences(...parts)).toBe(text));

  it.each(['no space left on device', 'no space left on device.', ' no space left on device.\n'])(
    'take %j of another program into a sentence of ours',
    (text) => expect(`It cannot be written: ${clause(text)}.`).toBe('It cannot be written: no space left on device.'),
  );

  it('have one full stop where an error and its hint meet, whatever the error ends with', () => {
    expect(new UserpulseError('internal', 'It failed', { hint: 'Mend it' }).describe()).toBe('It failed. Mend it.');
    expect(new UserpulseError('internal', 'It failed.', { hint: 'Mend it.' }).describe()).toBe('It failed. Mend it.');
    expect(networkReason(new Error('It broke.'))).toBe('It broke');
  });
});
