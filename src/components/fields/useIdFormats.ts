import { useEffect, useState } from 'react';
import type { IdFormats } from '../../../contract/ids.ts';
import type { EditorServices } from '../../services.ts';

/** How ids are written; undefined as long as the backend has not said it. Then what any format allows is allowed. */
export function useIdFormats({ resources }: EditorServices): IdFormats | undefined {
  const [formats, setFormats] = useState<IdFormats>();
  useEffect(() => {
    let left = false;
    resources.idFormats().then(
      (found) => left || setFormats(found),
      // What is wrong with the backend shows where the query's answer would be.
      () => undefined,
    );
    return () => {
      left = true;
    };
  }, [resources]);
  return formats;
}
