import { fileURLToPath } from 'node:url';
import { failed, passed, type Check } from '../check.ts';
import { folderState } from '../files/folder.ts';

/** Can the checkpoint folder be written? It is made on first use, so an absent one is fine where it can be made. */
export function checkpointCheck(url: URL): Check {
  const folder = fileURLToPath(url);
  return {
    name: 'checkpoint',
    run: async () => {
      const state = await folderState(folder);
      switch (state.kind) {
        case 'writable':
          return passed('checkpoint', `Folder ${folder} can be written.`);
        case 'absent':
          return passed('checkpoint', `Folder ${folder} will be made by the first ingest.`);
        case 'not_a_folder':
          return failed(
            'checkpoint',
            'checkpoint_unusable',
            `The checkpoint ${folder} (USERPULSE_CHECKPOINT) cannot be a folder: ${state.path} is a file.`,
            'Set USERPULSE_CHECKPOINT to another folder.',
          );
        case 'denied':
          return failed(
            'checkpoint',
            'checkpoint_unusable',
            `The checkpoint folder ${folder} (USERPULSE_CHECKPOINT) cannot be written: ${state.reason}.`,
            'Give this user the right to write there, or set USERPULSE_CHECKPOINT to another folder.',
          );
        default:
          return state satisfies never;
      }
    },
  };
}
