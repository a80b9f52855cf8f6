import { parse } from 'yaml';
import { z } from 'zod';

/** The parts of a compose file that the checks read. Times and restarts are the engine's business. */
const service = z.object({
  image: z.string(),
  build: z
    .object({ context: z.string(), dockerfile: z.string(), args: z.record(z.string(), z.string()).default({}) })
    .optional(),
  command: z.array(z.coerce.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.tuple([z.literal('CMD')], z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
});
const compose = z.object({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.unknown()).default({}),
});

export type Service = z.infer<typeof service>;
export type Compose = z.infer<typeof compose>;

/** A compose file as an engine reads it with an empty environment: anchors and merges resolved, `${NAME:-default}` replaced by its default. */
export function readCompose(text: string): Compose {
  return compose.parse(defaults(parse(text, { merge: true })));
}

function defaults(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name: string, fallback: string | undefined) => {
      if (fallback === undefined)
        throw new Error(`The compose file reads ${name} without a default: "docker compose up" alone fails.`);
      return fallback;
    });
  }
  if (Array.isArray(value)) return value.map(defaults);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, defaults(inner)]));
  return value;
}

/** Service and port of every address in a text: `http://serve:8088/x`, `kinesis:4568`. */
export function addresses(text: string): { readonly host: string; readonly port: number }[] {
  return [...text.matchAll(/(?:^|\/\/|[\s'"])([a-z][a-z0-9-]*):(\d{2,5})\b/g)].map(([, host = '', port]) => ({
    host,
    port: Number(port),
  }));
}
