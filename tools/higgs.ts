import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const BESIDE_CHECKOUT = fileURLToPath(new URL('../../shared/data/higgs-activity_time.txt.gz', import.meta.url));

/**
 * Activity of the Higgs Twitter dataset (`actor receiver unix_seconds RT|MT|RE` a line): named by HIGGS_FILE, or beside the checkout, or
 * undefined. @throws Error where HIGGS_FILE names a file that is not there
 */
export function findHiggsFile(): string | undefined {
  const named = process.env['HIGGS_FILE'];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) throw new Error(`HIGGS_FILE names ${named}, which is not there. Correct it or unset it.`);
    return named;
  }
  return existsSync(BESIDE_CHECKOUT) ? BESIDE_CHECKOUT : undefined;
}

/** Lines of the file, plain or gzip. */
export function readHiggsLines(file: string): string[] {
  const bytes = readFileSync(file);
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1').trimEnd().split('\n');
}
