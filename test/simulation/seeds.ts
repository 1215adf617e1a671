/** Histories that run in every test: seeds 0 to 199. */
export const seeds = 200;
