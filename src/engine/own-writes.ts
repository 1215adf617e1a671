import { type KubeObject, keyOf } from '../api/meta.ts';

/** What a controller has written of its own objects: who acts on an older copy does again what is done already. */
export class OwnWrites {
  readonly #written = new Map<string, KubeObject['metadata']>();

  wrote(object: KubeObject): void {
    this.#written.set(keyOf(object), object.metadata);
  }

  /** The local copy is from before the last write; news of that write is on its way. */
  isBehind(shown: KubeObject): boolean {
    const key = keyOf(shown);
    const written = this.#written.get(key);
    if (!written) return false;
    const { uid, resourceVersion } = shown.metadata;
    if (written.uid === uid && Number(resourceVersion) < Number(written.resourceVersion)) return true;
    this.#written.delete(key);
    return false;
  }

  forget(key: string): void {
    this.#written.delete(key);
  }
}
