/** Upper bounds of one query. */
export const MAX_IDS = 50;
export const MAX_WINDOWS = 11_000;
export const MAX_SERIES = 100;
/** Rows of a ranking. */
export const MAX_TOP = 1000;
/** Queries in one request. */
export const MAX_QUERIES = 50;
