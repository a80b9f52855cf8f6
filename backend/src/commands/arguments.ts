import { InvalidArgumentError } from 'commander';
import { parseDay } from '../archive/days.ts';

/** `--from`, `--to`: a UTC day, from 1970-01-01. */
export function dayArgument(text: string): number {
  const day = parseDay(text);
  if (day === undefined)
    throw new InvalidArgumentError('It must be a UTC day from the year 2000 on, as YYYY/MM/DD or YYYY-MM-DD.');
  return day;
}

/** `a,b,…` */
export const listArgument = (text: string): readonly string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** Collects an option that may be given several times. */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];
