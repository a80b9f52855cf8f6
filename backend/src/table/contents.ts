import { z } from 'zod';
import { dayText } from '../archive/keys.ts';

/** An object whose lines a table holds. */
export interface HeldObject {
  readonly lines: number;
  /** Compressed, as NDJSON. */
  readonly bytes: number;
}

/** What a table says of itself in its footer (key-value metadata): which objects it holds, each whole. */
export interface TableContents {
  readonly day: number;
  /** By key. */
  readonly objects: ReadonlyMap<string, HeldObject>;
}

/** The name of the entry in the footer. */
export const CONTENTS_KEY = 'userpulse';

const schema = z.strictObject({
  version: z.literal(1),
  /** `YYYY/MM/DD` */
  day: z.string(),
  /** By name below the day: lines, and bytes as NDJSON. */
  objects: z.record(z.string(), z.tuple([z.number().int().min(0), z.number().int().min(0)])),
});

export function contentsText({ day, objects }: TableContents): string {
  const folder = `${dayText(day)}/`;
  const content: z.infer<typeof schema> = {
    version: 1,
    day: dayText(day),
    objects: Object.fromEntries(
      [...objects].map(([key, { lines, bytes }]) => [key.slice(folder.length), [lines, bytes]]),
    ),
  };
  return JSON.stringify(content);
}

/** The inverse of {@link contentsText}. @throws Error where the text is not of our making */
export function parseContents(text: string, day: number): TableContents {
  const content = schema.parse(JSON.parse(text));
  if (content.day !== dayText(day)) throw new Error(`it is the table of ${content.day}`);
  const objects = Object.entries(content.objects).map(
    ([name, [lines, bytes]]) => [`${content.day}/${name}`, { lines, bytes }] as const,
  );
  return { day, objects: new Map(objects) };
}
