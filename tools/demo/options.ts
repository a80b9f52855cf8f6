import { z } from 'zod';

/** What the demo can be told, by environment variables, since `make` passes those on. */
const whole = (name: string, min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `${name} must be a whole number`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `${name} must be between ${min} and ${max}`);

const optional = <T extends z.ZodType>(rule: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), rule.optional());

const schema = z.object({
  /** Ends by itself after this many seconds of sending; until Ctrl-C where absent. */
  DEMO_SECONDS: optional(whole('DEMO_SECONDS', 1, 86_400)),
  /** A file of the Higgs dataset to send instead of the generator's events; ends by itself when all of it is ingested. */
  DEMO_FILE: optional(z.string()),
  /** Events a second that the generator makes. */
  DEMO_RATE: optional(whole('DEMO_RATE', 1, 100_000)),
  DEMO_SHARDS: optional(whole('DEMO_SHARDS', 1, 50)),
  /** How often the ingest is stopped with SIGTERM and started again on the way: the table must agree all the same. */
  DEMO_RESTARTS: optional(whole('DEMO_RESTARTS', 0, 20)),
});

export interface DemoOptions {
  readonly seconds: number | undefined;
  readonly file: string | undefined;
  readonly rate: number;
  readonly shards: number;
  readonly restarts: number;
}

/** @throws Error that names every variable that is wrong. */
export function readOptions(env: Readonly<Record<string, string | undefined>>): DemoOptions {
  const parsed = schema.safeParse(env);
  if (!parsed.success) throw new Error(parsed.error.issues.map((i) => `${i.message}.`).join(' '));
  const { DEMO_SECONDS, DEMO_FILE, DEMO_RATE = 500, DEMO_SHARDS = 2, DEMO_RESTARTS = 0 } = parsed.data;
  return {
    seconds: DEMO_SECONDS,
    file: DEMO_FILE,
    rate: DEMO_RATE,
    shards: DEMO_SHARDS,
    restarts: DEMO_RESTARTS,
  };
}
