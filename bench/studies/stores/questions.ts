/** A question put to every store alike. */
export interface StoreQuestion {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Window length in seconds; of top none. */
  readonly everySeconds: number;
  readonly kind: 'user' | 'share' | 'everyone' | 'top';
}

const iso = (ms: number): string => new Date(ms).toISOString();

const flux = (bucket: string, q: StoreQuestion, test: string, rest: string): string =>
  `from(bucket: "${bucket}")
  |> range(start: ${iso(q.fromMs)}, stop: ${iso(q.toMs)})
  |> filter(fn: (r) => r._measurement == "interaction" and r._field == "n"${test})
${rest}`;

const windows = (q: StoreQuestion): string =>
  `  |> aggregateWindow(every: ${q.everySeconds}s, fn: count, timeSrc: "_start", createEmpty: false)
  |> keep(columns: ["_time", "_value", "type"])`;
const top = (tag: string): string =>
  `  |> group(columns: ["${tag}"])\n  |> count()\n  |> group()\n  |> top(n: 10)\n  |> keep(columns: ["${tag}", "_value"])`;

/** N1: the series of one user are as many as their counterparts, and are put together by type before they are counted. */
export function oneBucketFlux(q: StoreQuestion, id: string): string {
  const byType = `  |> group(columns: ["type"])\n${windows(q)}`;
  switch (q.kind) {
    case 'user':
      return flux('interactions', q, ` and r.user_from == "${id}"`, byType);
    case 'share':
      return flux('interactions', q, ` and r.share == "${id}"`, byType);
    case 'everyone':
      return flux('interactions', q, '', byType);
    case 'top':
      return flux('interactions', q, '', top('user_to'));
    default:
      return q.kind satisfies never;
  }
}

/** N2: one user's series are counted as they are; everyone's are put together first. */
export function idTagsFlux(q: StoreQuestion, id: string): string {
  switch (q.kind) {
    case 'user':
      return flux('made', q, ` and r.user == "${id}"`, windows(q));
    case 'share':
      return flux('share', q, ` and r.share == "${id}"`, windows(q));
    case 'everyone':
      return flux('made', q, '', `  |> group(columns: ["type"])\n${windows(q)}`);
    case 'top':
      return flux('received', q, '', top('user'));
    default:
      return q.kind satisfies never;
  }
}

/** @param final whether rows that merges have not yet united count once: what makes an event sent twice one */
export function clickhouseSql(q: StoreQuestion, id: string, final: boolean): string {
  const rows = (table: string, test: string): string =>
    `FROM ${table}${final ? ' FINAL' : ''} WHERE ${test}time >= fromUnixTimestamp64Milli(${q.fromMs}) AND time < fromUnixTimestamp64Milli(${q.toMs})`;
  const counts = (table: string, test: string): string =>
    `SELECT toStartOfInterval(time, INTERVAL ${q.everySeconds} SECOND) AS start, type, count() ${rows(table, test)} GROUP BY type, start ORDER BY type, start`;
  switch (q.kind) {
    case 'user':
      return counts('made', `user = ${id} AND `);
    case 'share':
      return counts('share', `share = '${id}' AND `);
    case 'everyone':
      return counts('made', '');
    case 'top':
      return `SELECT user, count() AS n ${rows('received', '')} GROUP BY user ORDER BY n DESC, user LIMIT 10`;
    default:
      return q.kind satisfies never;
  }
}

/** The body of /v1/query for the same. */
export function apiBody(q: StoreQuestion, id: string): object {
  const every = `${q.everySeconds}s`;
  const query = {
    user: { preset: 'made', ids: [id], every },
    share: { preset: 'share', ids: [id], every },
    everyone: { preset: 'everyone', every },
    top: { preset: 'top', of: 'received', n: 10 },
  }[q.kind];
  return { from: q.fromMs, to: q.toMs, queries: [{ refId: 'A', ...query }] };
}
