import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Whether a folder can be written to, now or once it has been created. */
export type FolderState =
  | { readonly kind: 'writable' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'not_a_folder'; readonly path: string }
  | { readonly kind: 'denied'; readonly path: string; readonly reason: string };

/** Creates nothing. An absent folder passes where its nearest existing parent is writable. */
export async function folderState(folder: string): Promise<FolderState> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const found = await stat(path);
      if (!found.isDirectory()) return { kind: 'not_a_folder', path };
      await access(path, constants.W_OK | constants.X_OK);
      return { kind: path === folder ? 'writable' : 'absent' };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ENOENT' && dirname(path) !== path) continue;
      if (code === 'ENOTDIR' && dirname(path) !== path) continue;
      return { kind: 'denied', path, reason: error instanceof Error ? error.message : String(error) };
    }
  }
}
