import { z } from 'zod';

/** RFC 3339 with an offset, or epoch milliseconds as a number or a string of digits. Parsed to milliseconds by the query core. */
export const instantSchema = z.union([z.number().int(), z.string().min(1).max(40)], {
  error: (issue) =>
    `${issue.input === undefined ? 'is required' : 'is not a time'}: give a time such as 2026-01-31T12:00:00Z, or epoch milliseconds`,
});

/** One query as it arrives: what it must have to be answered at all. Its fields are read by {@link parseQuery}, so that a bad query fails alone. */
export type AskedQuery = Readonly<Record<string, unknown>> & { readonly refId: string };

export const refIdSchema = z.string().min(1).max(64).meta({ description: 'Names the query in the answer.' });

/** Body of `POST /v1/query` and `POST /v1/translate`, but for its queries. */
export const envelopeSchema = z.strictObject({
  from: instantSchema.meta({
    description: 'Start of the range, inclusive: RFC 3339 with an offset, or epoch milliseconds.',
  }),
  to: instantSchema.meta({ description: 'End of the range, exclusive.' }),
  timezone: z
    .string()
    .max(64)
    .optional()
    .meta({ description: 'IANA time zone in which windows are aligned; default UTC.' }),
  maxDataPoints: z.number().int().min(1).max(1_000_000).optional().meta({ description: 'For auto: windows at most.' }),
  intervalMs: z.number().min(0).max(1e15).optional().meta({ description: 'For auto: shortest window.' }),
});
export type QueryRequest = z.infer<typeof envelopeSchema> & { readonly queries: readonly AskedQuery[] };
