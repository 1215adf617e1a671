// Values as they lie in the store: the contract of what changes them, and the choice by prefix.

export interface Transformed {
  readonly value: Uint8Array;
  /** It would be written otherwise today: the next write of the object does so. */
  readonly stale: boolean;
}

/** `key` is where the value lies: what it is bound to, so that values cannot be put in each other's place. */
export interface Transformer {
  /** Throws an error when nothing can be written now. */
  toStorage(value: Uint8Array, key: string): Uint8Array;
  /** Throws an error for what is not one of its values. */
  fromStorage(stored: Uint8Array, key: string): Transformed;
  /** To be awaited before fromStorage can take this value; undefined when it can at once. */
  prepare?(stored: Uint8Array): Promise<void> | undefined;
}

export interface PrefixTransformer {
  /** '' takes everything. */
  readonly prefix: string;
  readonly transformer: Transformer;
}

/** Writes with the first, reads with whichever the prefix names; what is not the first's is stale. */
export class PrefixTransformers implements Transformer {
  readonly #members: readonly (PrefixTransformer & { readonly bytes: Buffer })[];
  readonly #unknown: string;

  /** `unknown`: what a value no member knows is refused with. */
  constructor(members: readonly PrefixTransformer[], unknown = 'no matching prefix found') {
    this.#members = members.map(m => ({ ...m, bytes: Buffer.from(m.prefix) }));
    this.#unknown = unknown;
  }

  toStorage(value: Uint8Array, key: string): Uint8Array {
    const { bytes, transformer } = this.#members[0]!;
    const out = transformer.toStorage(value, key);
    return bytes.length ? Buffer.concat([bytes, out]) : out;
  }

  fromStorage(stored: Uint8Array, key: string): Transformed {
    const errors: string[] = [];
    for (const [i, { bytes, transformer, prefix }] of this.#members.entries()) {
      if (!startsWith(stored, bytes)) continue;
      try {
        const { value, stale } = transformer.fromStorage(stored.subarray(bytes.length), key);
        return { value, stale: stale || i > 0 };
      } catch (error) {
        // Another may have the same prefix: a key that was used twice, or identity.
        errors.push(`${prefix ? `transformer prefix ${JSON.stringify(prefix)}: ` : ''}${(error as Error).message}`);
      }
    }
    throw new Error(errors.at(0) ?? this.#unknown);
  }

  prepare(stored: Uint8Array): Promise<void> | undefined {
    for (const { bytes, transformer } of this.#members) {
      if (!transformer.prepare || !startsWith(stored, bytes)) continue;
      return transformer.prepare(stored.subarray(bytes.length));
    }
    return undefined;
  }
}

export function startsWith(value: Uint8Array, prefix: Uint8Array): boolean {
  if (value.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (value[i] !== prefix[i]) return false;
  return true;
}

const encrypted = Buffer.from('k8s:enc:');

/** Leaves values as they are; what somebody encrypted is no such value. */
export const identity: Transformer = {
  toStorage: value => value,
  fromStorage(stored) {
    if (startsWith(stored, encrypted)) throw new Error('identity transformer tried to read encrypted data');
    return { value: stored, stale: false };
  },
};
