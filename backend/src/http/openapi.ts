import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { VERSION } from '../version.ts';
import type { App } from './v1.ts';

/** Collects the schemas of all routes registered after it into an OpenAPI 3.0 document. */
export async function registerOpenApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'Userpulse',
        description:
          'How users interact: what a user makes, what a user receives, what a share receives, by interaction type, over any range and window length.\n\nIds may exceed 2^53 and are therefore strings. Every error is `{"error": {"code", "message"}}`.',
        version: VERSION,
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'queries', description: 'Data frames for Grafana' },
        { name: 'interactions', description: 'Plain series for apps' },
        { name: 'about', description: 'The service itself' },
        { name: 'operations', description: 'Probes and metrics' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'The value of USERPULSE_API_TOKEN.' },
        },
      },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
  });
}
