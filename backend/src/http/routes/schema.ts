import type { z } from 'zod';
import { formatDuration } from '../../query/duration.ts';
import { AUTO_LADDER_MS } from '../../query/every.ts';
import {
  CALCULATIONS,
  LABELS,
  MAX_IDS,
  MAX_QUERIES,
  MAX_SERIES,
  MAX_TOP,
  MAX_WINDOWS,
  PRESETS,
  type Calculation,
  type Preset,
} from '../../query/request.ts';
import { prefixSchemeText, type Schema } from '../../schema/buckets.ts';
import { VERSION } from '../../version.ts';
import { schemaResponse } from '../schemas.ts';
import { errors, type App, type V1 } from '../v1.ts';

const PRESET_TEXT: Readonly<Record<Preset, { description: string; ids: 'user' | 'share' | 'none'; live: boolean }>> = {
  made: { description: 'Interactions made by users', ids: 'user', live: true },
  received: { description: 'Interactions received by users', ids: 'user', live: true },
  share: { description: 'Interactions received by shares', ids: 'share', live: true },
  everyone: { description: 'Interactions of everyone', ids: 'none', live: true },
  top: { description: 'Users or shares with the most interactions', ids: 'none', live: false },
};

const CALCULATION_TEXT: Readonly<Record<Calculation, string>> = {
  count: 'Interactions in each window',
  rate: 'Interactions per second, averaged over each window',
  cumulative: 'Interactions since the start of the range',
  total: 'One number for the whole range',
};

/** What a query editor needs: it asks the backend instead of knowing the scheme itself. */
export const describeSchema = (schema: Schema): z.output<typeof schemaResponse> => ({
  version: VERSION,
  buckets: { ...schema.buckets },
  prefix: { user: prefixSchemeText(schema.userPrefix), share: prefixSchemeText(schema.sharePrefix) },
  presets: PRESETS.map((name) => ({ name, ...PRESET_TEXT[name] })),
  calculations: CALCULATIONS.map((name) => ({ name, description: CALCULATION_TEXT[name] })),
  groupBy: [...LABELS],
  every: { auto: AUTO_LADDER_MS.map((ms) => formatDuration({ kind: 'ms', ms })) },
  limits: { ids: MAX_IDS, windows: MAX_WINDOWS, series: MAX_SERIES, top: MAX_TOP, queries: MAX_QUERIES },
});

/** `GET /v1/schema`. */
export function registerSchema(app: App, v1: V1): void {
  app.route({
    method: 'GET',
    url: '/schema',
    schema: {
      tags: ['about'],
      summary: 'Buckets, prefix schemes, presets, calculations and limits',
      response: {
        200: { description: 'The schema.', content: { 'application/json': { schema: schemaResponse } } },
        ...errors(401, 500),
      },
    },
    handler: async (_request, reply) => reply.send(describeSchema(v1.schema)),
  });
}
