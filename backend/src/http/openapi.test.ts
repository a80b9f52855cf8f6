import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { testServer } from './testing.ts';

const document = z.looseObject({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        summary: z.string(),
        tags: z.array(z.string()),
        security: z.array(z.unknown()).optional(),
        parameters: z.array(z.looseObject({ name: z.string(), in: z.string(), description: z.string() })).optional(),
        responses: z.record(z.string(), z.looseObject({ description: z.string().min(1), content: z.looseObject({}) })),
      }),
    ),
  ),
});

const read = async (): Promise<z.infer<typeof document>> => {
  const app = await testServer();
  return document.parse((await app.inject({ url: '/v1/openapi.json' })).json());
};

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.0', async () => {
    const result = await new Validator().validate(await read());
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
  });

  it('describes every route of the contract', async () => {
    const { paths } = await read();
    expect(
      Object.entries(paths)
        .flatMap(([path, methods]) => Object.keys(methods).map((m) => `${m.toUpperCase()} ${path}`))
        .sort(),
    ).toEqual([
      'GET /healthz',
      'GET /metrics',
      'GET /readyz',
      'GET /v1/health',
      'GET /v1/interactions/{preset}/{id}',
      'GET /v1/openapi.json',
      'GET /v1/schema',
      'GET /v1/stream',
      'GET /v1/top',
      'GET /v1/types',
      'GET /v1/who',
      'POST /v1/query',
      'POST /v1/stream-tickets',
      'POST /v1/translate',
    ]);
  });

  it('asks for the token exactly where the server does', async () => {
    const { paths } = await read();
    const app = await testServer();
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const url = path.replaceAll(/\{\w+\}/g, 'x');
        const answer = await app.inject({ method: method === 'post' ? 'POST' : 'GET', url });
        const open = operation.security?.length === 0;
        expect([path, answer.statusCode === 401]).toEqual([path, !open]);
        expect([path, '401' in operation.responses]).toEqual([path, !open]);
      }
    }
  });
});
