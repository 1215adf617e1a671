// Keys of the store and where they lie in etcd.

export interface EtcdRange {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

export class EtcdKeys {
  readonly #prefix: string;
  readonly #root: string;

  /** What `prefix` stands for, as `/registry` by default, is `root`. */
  constructor({ root = '/registry', prefix = 'registry' }: { readonly root?: string; readonly prefix?: string }) {
    this.#root = root;
    // As kube-apiserver joins paths: one slash in front, none behind.
    this.#prefix = `/${prefix}`.replace(/^\/+/, '/').replace(/\/+$/, '');
  }

  get root(): string {
    return this.#root;
  }

  /** Throws RangeError for a key that does not begin with the root. */
  placeOf(key: string): string {
    if (!key.startsWith(this.#root))
      throw new RangeError(`writing ${JSON.stringify(key)}: keys begin with ${JSON.stringify(this.#root)}`);
    return this.#prefix + key.slice(this.#root.length);
  }

  of(key: string): Buffer {
    return Buffer.from(this.placeOf(key));
  }

  nameOf(key: Buffer): string {
    return this.#root + key.toString().slice(this.#prefix.length);
  }

  rangeOf(prefix: string): EtcdRange {
    const key = Buffer.from(this.#prefix + (prefix.slice(this.#root.length) || '/'));
    const rangeEnd = Buffer.from(key);
    // No key's last byte is 0xff: they are UTF-8.
    rangeEnd[rangeEnd.length - 1]! += 1;
    return { key, rangeEnd };
  }
}
