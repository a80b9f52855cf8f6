import { z } from 'zod';
import { UserpulseError } from '../errors.ts';
import { MAX_QUERIES, queryRequestSchema, querySchema, type QueryInput, type QueryRequest } from '../query/request.ts';
import { describeIssues, zodIssues } from './issues.ts';

/** The form of a query is checked one by one, so the envelope takes any. */
const envelope = queryRequestSchema.extend({
  queries: z.array(z.unknown()).min(1, 'is empty: give at least one query').max(MAX_QUERIES),
});
const named = z.looseObject({ refId: querySchema.shape.refId });

/** A client's serializer may write absent members as null, as events may: they count as absent. */
const withoutNulls = (value: unknown): unknown =>
  typeof value !== 'object' || value === null || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));

/** Why a query cannot be asked at all, as `/v1/query` says it in its result. */
export interface MalformedQuery {
  readonly error: string;
  readonly errorCode: 'bad_request';
  readonly status: 400;
}

export interface QueryBody {
  /** The queries of good form; undefined where there are none. */
  readonly request: QueryRequest | undefined;
  readonly malformed: ReadonlyMap<string, MalformedQuery>;
  /** Of all queries, in the order in which they were asked. */
  readonly refIds: readonly string[];
}

/**
 * Reads the body of `/v1/query` and `/v1/translate`. A query of bad form fails alone, in its result; what is no request at all throws.
 * @throws UserpulseError bad_request
 */
export function readQueryBody(body: unknown): QueryBody {
  if (body === undefined || body === null) {
    throw new UserpulseError('bad_request', 'The body is missing.', {
      hint: 'Send the request as JSON, with the header "Content-Type: application/json".',
    });
  }
  const parsed = envelope.safeParse(withoutNulls(body));
  if (!parsed.success) throw new UserpulseError('bad_request', describeIssues(zodIssues(parsed.error), 'body'));
  const good: QueryInput[] = [];
  const malformed = new Map<string, MalformedQuery>();
  const seen = new Set<string>();
  parsed.data.queries.forEach((raw, i) => {
    const name = named.safeParse(raw);
    if (!name.success) {
      const issues = zodIssues(name.error).map((issue) => ({ ...issue, path: ['queries', String(i), ...issue.path] }));
      throw new UserpulseError('bad_request', describeIssues(issues, 'body'));
    }
    const { refId } = name.data;
    if (seen.has(refId)) {
      throw new UserpulseError('bad_request', `queries[${i}].refId "${refId}" is used twice.`, {
        hint: 'Give every query a refId of its own.',
      });
    }
    seen.add(refId);
    const query = querySchema.safeParse(withoutNulls(raw));
    if (query.success) good.push(query.data);
    else {
      malformed.set(refId, {
        error: describeIssues(zodIssues(query.error), 'query'),
        errorCode: 'bad_request',
        status: 400,
      });
    }
  });
  return {
    request: good.length === 0 ? undefined : { ...parsed.data, queries: good },
    malformed,
    refIds: [...seen],
  };
}
