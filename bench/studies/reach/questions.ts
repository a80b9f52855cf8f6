/** A question about people, put to Userpulse and to ClickHouse. */
export interface PeopleQuestion {
  readonly name: string;
  /** Whether it is about one user, and not about everyone. */
  readonly ofUser: boolean;
  /** A query of /v1/query. @param id whom it is about @param other the second of two users */
  readonly query: (id: string, other: string) => object;
  /** The same; the last column of its CSV is what the answer counts. @param range a condition on time */
  readonly sql: (range: string, id: string, other: string) => string;
}

const DAY = 'toStartOfDay(time) AS day';

export const QUESTIONS: readonly PeopleQuestion[] = [
  {
    name: 'unique people of a user, by day',
    ofUser: true,
    query: (id) => ({ preset: 'received', ids: [id], calc: 'unique', every: '1d', groupBy: [] }),
    sql: (range, id) =>
      `SELECT ${DAY}, uniqExact(other) FROM received WHERE user = ${id} AND ${range} GROUP BY day ORDER BY day`,
  },
  {
    name: 'reach of a user',
    ofUser: true,
    query: (id) => ({ preset: 'received', ids: [id], calc: 'reach', groupBy: [] }),
    sql: (range, id) => `SELECT uniqExact(other) FROM received WHERE user = ${id} AND ${range}`,
  },
  {
    name: 'who interacts most with a user, 10',
    ofUser: true,
    query: (id) => ({ preset: 'who', of: 'received', ids: [id], n: 10 }),
    sql: (range, id) =>
      `SELECT other, count() AS n FROM received WHERE user = ${id} AND ${range} GROUP BY other ORDER BY n DESC, other LIMIT 10`,
  },
  {
    name: 'from one user to another, by hour',
    ofUser: true,
    query: (id, other) => ({ preset: 'pair', ids: [id, other], every: '1h', groupBy: [] }),
    sql: (range, id, other) =>
      `SELECT toStartOfHour(time) AS hour, count() FROM made WHERE user = ${id} AND other = ${other} AND ${range} GROUP BY hour ORDER BY hour`,
  },
  {
    name: 'daily active users',
    ofUser: false,
    query: () => ({ preset: 'everyone', calc: 'unique', every: '1d', groupBy: [] }),
    sql: (range) => `SELECT ${DAY}, uniqExact(user) FROM made WHERE ${range} GROUP BY day ORDER BY day`,
  },
  {
    name: 'active users of the week',
    ofUser: false,
    query: () => ({ preset: 'everyone', calc: 'reach', groupBy: [] }),
    sql: (range) => `SELECT uniqExact(user) FROM made WHERE ${range}`,
  },
];
