import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import dockerignore from '@balena/dockerignore';

/**
 * Files that `docker build` is sent from a fresh clone of this checkout, relative to it: what git has or would add, less what
 * .dockerignore names. What was built or installed here is not among them.
 */
export function buildContext(root: string): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const ignored = dockerignore().add(readFileSync(join(root, '.dockerignore'), 'utf8').split('\n'));
  const files = listed.split('\0').filter((file) => file !== '' && existsSync(join(root, file)));
  return ignored.filter(files);
}
