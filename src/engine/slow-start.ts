export interface BatchResult {
  readonly successes: number;
  /** The first failure, in order of index within its batch. */
  readonly error?: unknown;
}

/**
 * Calls `fn` `count` times in batches of 1, 2, 4, …; after a batch with a failure the rest is not tried, so that a
 * quota that is used up costs one request and not hundreds.
 */
export async function slowStartBatch(
  count: number,
  fn: (index: number) => Promise<unknown>,
  initialBatch = 1,
): Promise<BatchResult> {
  let done = 0;
  let successes = 0;
  for (let batch = Math.min(count, initialBatch); batch > 0; batch = Math.min(2 * batch, count - done)) {
    const start = done;
    const results = await Promise.allSettled(Array.from({ length: batch }, async (_, i) => fn(start + i)));
    done += batch;
    successes += results.filter(r => r.status === 'fulfilled').length;
    const failed = results.find(r => r.status === 'rejected');
    if (failed) return { successes, error: failed.reason };
  }
  return { successes };
}
