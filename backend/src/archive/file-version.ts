import type { Stats } from 'node:fs';

/** Tells a file from the one that it replaces under the same name. */
export const fileVersion = ({ dev, ino, size, mtimeMs }: Stats): string => `${dev}-${ino}-${size}-${mtimeMs}`;
