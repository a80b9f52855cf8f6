import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MUTATIONS, mutated } from './list.ts';

it.each(MUTATIONS)('the source still holds what this mutation breaks: $name', ({ file, edits }) => {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  expect(mutated(source, file, edits)).not.toBe(source);
});
