import { z } from 'zod';
import { MAX_QUERIES } from '../../../contract/limits.ts';
import { UserpulseError } from '../errors.ts';
import { envelopeSchema, refIdSchema, type QueryRequest } from '../query/request.ts';
import { describeIssues, zodIssues } from './issues.ts';

/** Of a query only its name is read here: a query of bad form fails alone, in its result. */
const body = envelopeSchema.extend({
  queries: z
    .array(z.looseObject({ refId: refIdSchema }))
    .min(1, 'is empty: give at least one query')
    .max(MAX_QUERIES),
});

/** A client's serializer may write absent members as null, as events may: they count as absent. */
const withoutNulls = (value: unknown): unknown =>
  typeof value !== 'object' || value === null || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));

/**
 * Reads the body of `/v1/query` and `/v1/translate`.
 * @throws UserpulseError bad_request
 */
export function readQueryBody(given: unknown): QueryRequest {
  if (given === undefined || given === null) {
    throw new UserpulseError('bad_request', 'The body is missing.', {
      hint: 'Send the request as JSON, with the header "Content-Type: application/json".',
    });
  }
  const parsed = body.safeParse(withoutNulls(given));
  if (!parsed.success) throw new UserpulseError('bad_request', describeIssues(zodIssues(parsed.error), 'body'));
  const seen = new Set<string>();
  parsed.data.queries.forEach(({ refId }, i) => {
    if (seen.has(refId)) {
      throw new UserpulseError('bad_request', `queries[${i}].refId "${refId}" is used twice.`, {
        hint: 'Give every query a refId of its own.',
      });
    }
    seen.add(refId);
  });
  return parsed.data;
}
