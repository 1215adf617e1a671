/** How objects lie in values; what it means is the API server's. Embedded stores (lmdb) have one form, shared ones (etcd) the other. */
export type StoredForm = 'embedded' | 'shared';

export interface CopiedEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  /** When the store deletes the key, in milliseconds since the epoch; 0: never. */
  readonly expiresAtMs: number;
}

/** Everything a store holds at one revision, on its way into a file or another store. */
export interface StoreCopy {
  readonly revision: number;
  readonly form: StoredForm;
  /** In order of keys; may be read once. */
  entries(): AsyncIterable<CopiedEntry>;
  close(): Promise<void>;
}

/** A copy cannot be made, read or put in place. The message says what to do. */
export class StoreCopyError extends Error {
  override name = 'StoreCopyError';
}

/** Entries in groups of bounded size, for one write each. */
export async function* inGroups(
  entries: AsyncIterable<CopiedEntry>,
  most: { count: number; bytes: number },
): AsyncIterable<CopiedEntry[]> {
  let group: CopiedEntry[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    group.push(entry);
    bytes += entry.value.byteLength;
    if (group.length < most.count && bytes < most.bytes) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}
