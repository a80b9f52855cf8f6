import type { UserpulseQuery } from '../types.ts';

/** One line that says what a query asks, for collapsed query rows and Explore's history. */
export function describeQuery(query: UserpulseQuery): string {
  const parts = [subject(query)];
  if (query.types.length > 0) parts.push(query.types.join(', '));
  if (query.preset !== 'top') {
    parts.push(
      `${CALCULATION_TEXT[query.calc]}${query.calc === 'total' ? '' : ` per ${query.every === 'auto' ? 'window' : query.every}`}`,
    );
    if (query.compareTo !== undefined) parts.push(`against ${query.compareTo} earlier`);
  }
  if (query.live) parts.push('live');
  return parts.join(' · ');
}

const CALCULATION_TEXT = {
  count: 'count',
  rate: 'rate',
  cumulative: 'running sum',
  total: 'total',
} as const satisfies Record<UserpulseQuery['calc'], string>;

function subject(query: UserpulseQuery): string {
  const ids = query.ids.length === 0 ? '(no id yet)' : query.ids.join(', ');
  switch (query.preset) {
    case 'made':
      return `Made by ${ids}`;
    case 'received':
      return `Received by ${ids}`;
    case 'share':
      return `Received by share ${ids}`;
    case 'everyone':
      return 'Everyone';
    case 'top':
      return `Top ${query.n ?? 10} ${query.of === 'share' ? 'shares' : `users, ${query.of ?? 'received'}`}`;
    default:
      return query.preset satisfies never;
  }
}
