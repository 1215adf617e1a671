import type { EndpointSlice } from '../../api/type/discovery-v1.ts';

const awaitingDeletion = Number.POSITIVE_INFINITY;

/**
 * What a controller wrote last of the slices of each service, so that it does not act on an informer's older view of
 * them and makes or fills slices twice. Keys are those of the service (or the Endpoints object) the slices belong to.
 */
export class SliceTracker {
  /** Resource versions by uid, by key. */
  readonly #written = new Map<string, Map<string, number>>();

  /** Call with what a creation or an update answered. */
  wrote(key: string, slice: EndpointSlice): void {
    const versions = this.#written.getOrInsertComputed(key, () => new Map<string, number>());
    const { uid } = slice.metadata;
    versions.set(uid, Math.max(versions.get(uid) ?? 0, versionOf(slice)));
  }

  expectDeletion(key: string, slice: EndpointSlice): void {
    this.#written.getOrInsertComputed(key, () => new Map<string, number>()).set(slice.metadata.uid, awaitingDeletion);
  }

  /** The informer does not show yet what was written. `slices` are all of the key that it shows. */
  isStale(key: string, slices: readonly EndpointSlice[]): boolean {
    const versions = this.#written.get(key);
    if (!versions) return false;
    const shown = new Set<string>();
    for (const slice of slices) {
      const { uid } = slice.metadata;
      shown.add(uid);
      const version = versions.get(uid);
      if (version !== undefined && version > versionOf(slice)) return true;
    }
    for (const [uid, version] of versions) if (version !== awaitingDeletion && !shown.has(uid)) return true;
    return false;
  }

  /** Somebody else wrote this: newer than all we wrote. */
  isForeign(key: string, slice: EndpointSlice): boolean {
    return versionOf(slice) > (this.#written.get(key)?.get(slice.metadata.uid) ?? -1);
  }

  /** True when we did not delete it. */
  sawDeletion(key: string, slice: EndpointSlice): boolean {
    const versions = this.#written.get(key);
    const expected = versions?.get(slice.metadata.uid) === awaitingDeletion;
    versions?.delete(slice.metadata.uid);
    return !expected;
  }

  forget(key: string): void {
    this.#written.delete(key);
  }
}

const versionOf = (slice: EndpointSlice): number => Number(slice.metadata.resourceVersion ?? 0);
