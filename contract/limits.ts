/** Upper bounds of one query. */
/** Ids whose interactions are added up, as they are where series are not told apart by id. */
export const MAX_IDS = 1000;
/** Ids that have series of their own. */
export const MAX_IDS_APART = 50;
export const MAX_WINDOWS = 11_000;
export const MAX_SERIES = 100;
/** Rows of a ranking. */
export const MAX_TOP = 1000;
/** Queries in one request. */
export const MAX_QUERIES = 50;
