import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { REPLACED } from './same-work.ts';
import { SOURCES } from './stages.ts';

/** The bench names files of the backend; where one was moved, its time would fall to another stage, or the real one be measured for the fake. */
it.each([...SOURCES.map(([path]) => path), ...Object.keys(REPLACED)])('backend/src/%s is there', (path) => {
  expect(existsSync(new URL(`../../backend/src/${path}`, import.meta.url))).toBe(true);
});
