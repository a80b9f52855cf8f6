import type { UserpulseQuery } from '../types.ts';
import { DEFAULT_QUERY } from './defaults.ts';

export interface Example {
  readonly title: string;
  readonly why: string;
  readonly query: Omit<UserpulseQuery, 'refId'>;
}

/** Starting points, from the plain to the particular. Ids are those of the demo data. */
export const EXAMPLES: readonly Example[] = [
  {
    title: 'What a user receives, by type',
    why: 'One series per interaction type, in windows that fit the panel.',
    query: { ...DEFAULT_QUERY, preset: 'received', ids: ['88'] },
  },
  {
    title: 'Several users from a variable, one line each',
    why: 'A variable with several values is a set of ids; "Group by Id" sums the types.',
    query: { ...DEFAULT_QUERY, preset: 'made', ids: ['$user'], groupBy: ['id'], legend: '{{id}}' },
  },
  {
    title: 'This day against the same day a week ago',
    why: 'The earlier series lies on the same axis, labelled {{compare}}.',
    query: {
      ...DEFAULT_QUERY,
      preset: 'received',
      ids: ['88'],
      every: '1h',
      groupBy: [],
      compareTo: '1w',
      legend: 'received {{compare}}',
    },
  },
  {
    title: 'A share since it was made, added up',
    why: 'The running sum starts at the beginning of the time range.',
    query: { ...DEFAULT_QUERY, preset: 'share', ids: ['$share'], calc: 'cumulative', groupBy: ['type'] },
  },
  {
    title: 'Different people who liked a user, by day',
    why: 'Someone who likes twice a day counts once. "Reach" gives one number for the whole time range.',
    query: {
      ...DEFAULT_QUERY,
      preset: 'received',
      ids: ['88'],
      types: ['like'],
      calc: 'unique',
      every: '1d',
      groupBy: ['id'],
      legend: '{{id}}',
    },
  },
  {
    title: 'Daily active users',
    why: 'Different people who did anything, per day of the time zone. 1w and 1mo give weekly and monthly ones.',
    query: { ...DEFAULT_QUERY, calc: 'unique', every: '1d', groupBy: [], legend: 'active users' },
  },
  {
    title: 'Who interacts most with a user',
    why: 'A table of people and counts; each id leads to its dashboard.',
    query: { ...DEFAULT_QUERY, preset: 'who', of: 'received', ids: ['88'], n: 20 },
  },
  {
    title: 'Interactions per second of everyone, live',
    why: 'New windows arrive by themselves while the time range ends now.',
    query: { ...DEFAULT_QUERY, calc: 'rate', every: '10s', groupBy: ['type'], live: true, legend: '{{type}}' },
  },
  {
    title: 'The 20 users who receive the most',
    why: 'A table of ids and counts; each id leads to its dashboard.',
    query: { ...DEFAULT_QUERY, preset: 'top', of: 'received', n: 20 },
  },
];
