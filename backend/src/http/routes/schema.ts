import type { z } from 'zod';
import { byKind } from '../../../../contract/ids.ts';
import { askedIds, isSeriesPreset, PRESET_NAMES, PRESETS } from '../../../../contract/presets.ts';
import { CALCULATION_NAMES, CALCULATIONS, DEFAULT_TOP, LABELS } from '../../../../contract/query.ts';
import { formatDuration } from '../../query/duration.ts';
import { AUTO_LADDER_MS } from '../../query/every.ts';
import { formatsOf, prefixSchemeText, schemeOfKind, type Schema } from '../../schema/buckets.ts';
import { VERSION } from '../../version.ts';
import { LIMITS, schemaResponse } from '../schemas.ts';
import { errors, type App, type V1 } from '../v1.ts';

/** What a query editor needs: it asks the backend instead of knowing the scheme itself. */
export const describeSchema = (schema: Schema): z.output<typeof schemaResponse> => ({
  version: VERSION,
  buckets: { ...schema.buckets },
  ids: formatsOf(schema),
  prefix: byKind((kind) => prefixSchemeText(schemeOfKind(kind, schema))),
  presets: PRESET_NAMES.map((name) => ({
    name,
    description: PRESETS[name].description,
    ids: name === 'who' ? 'of' : (askedIds(name, DEFAULT_TOP.of)?.kind ?? 'none'),
    live: isSeriesPreset(name),
  })),
  calculations: CALCULATION_NAMES.map((name) => ({ name, description: CALCULATIONS[name].description })),
  groupBy: [...LABELS],
  every: { auto: AUTO_LADDER_MS.map((ms) => formatDuration({ kind: 'ms', ms })) },
  limits: LIMITS,
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
