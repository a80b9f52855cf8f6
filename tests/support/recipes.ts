import { readFile } from 'node:fs/promises';

/**
 * The SQL of a section of docs/archive.md, in the order of its blocks.
 * @param headings of a section, or of the section that it is in and its own
 */
export async function recipe(
  ...headings: readonly [section: string] | readonly [within: string, section: string]
): Promise<string[]> {
  const page = await readFile(new URL('../../docs/archive.md', import.meta.url), 'utf8');
  let text = page;
  headings.forEach((heading, depth) => {
    const parts = text.split(new RegExp(`^${'#'.repeat(depth + 2)} `, 'm'));
    text = parts.find((part) => part.startsWith(`${heading}\n`)) ?? '';
  });
  return [...text.matchAll(/```sql\n(.*?)```/gs)].map((match) => (match[1] ?? '').trim().replace(/;$/, ''));
}
