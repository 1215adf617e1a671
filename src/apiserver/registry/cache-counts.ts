// What a watch cache counts of itself: plain numbers, named and labelled only when they are asked for.
import { BucketCounts } from '../../base/bucket-counts.ts';

const waitBuckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3];

export class CacheCounts {
  /** Changes that came from the store. */
  received = 0;
  /** Changes that were told to all who listen. */
  dispatched = 0;
  /** How often the cache was filled. */
  initializations = 0;
  /** Objects told to watches that began with what there is. */
  initialEvents = 0;
  /** Stored changes that could not be read. */
  undecodable = 0;
  /** Watches cut off because their clients did not read. */
  terminated = 0;
  lists = 0;
  /** Objects looked at for these lists. */
  fetched = 0;
  /** Objects these lists gave. */
  returned = 0;
  /** Reads that had to be as new as the store, and those of them that failed to be. */
  consistentReads = 0;
  consistentFailures = 0;
  /** How often it was looked whether the store holds the same: it did, it did not, nobody could tell. */
  consistent = 0;
  inconsistent = 0;
  uncertain = 0;
  /** Seconds that reads at or behind a revision waited for the cache to have it. */
  readonly waits = new BucketCounts(waitBuckets);
}
