// Equal parts of objects held once: pods of one template differ in little but names, and every version of an object
// repeats the last one. Objects are never changed once stored, so parts can belong to many.
import type { KubeObject, Mutable } from './meta.ts';

type Plain = Record<string, unknown>;

const largestKey = 16 << 10;

/** Remembers the parts it met last, at most two times `capacity`. */
export class PartSharer {
  readonly #capacity: number;
  #young = new Map<string, object>();
  #old = new Map<string, object>();

  constructor(capacity = 4096) {
    this.#capacity = capacity;
  }

  /** Replaces parts of `object`, in place, by equal ones met before. */
  share(object: Mutable<KubeObject>): void {
    const { metadata, ...rest } = object as unknown as { metadata: Plain } & Plain;
    this.#shareFields(metadata, 'managedFields');
    for (const entry of (metadata.managedFields ?? []) as Plain[]) this.#shareField(entry, 'fieldsV1');
    for (const key in rest) {
      const value = rest[key];
      if (key === 'status') this.#shareFields(value as Plain);
      else if (key === 'spec') this.#shareSpec(value as Plain);
      else this.#shareField(object as unknown as Plain, key);
    }
  }

  #shareSpec(spec: Plain | undefined): void {
    if (typeof spec !== 'object' || spec === null) return;
    for (const key in spec) {
      if (key === 'containers' || key === 'initContainers') {
        // A container mounts a volume whose name is the pod's own; all else is the template's.
        for (const container of spec[key] as Plain[]) this.#shareFields(container);
      } else if (key === 'template') this.#shareSpec((spec[key] as Plain).spec as Plain | undefined);
      else this.#shareField(spec, key);
    }
  }

  #shareFields(value: Plain | undefined, except?: string): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const key in value) if (key !== except) this.#shareField(value, key);
  }

  #shareField(owner: Plain, key: string): void {
    const value = owner[key];
    if (typeof value === 'object' && value !== null) owner[key] = this.#known(value);
  }

  #known(part: object): object {
    const key = JSON.stringify(part);
    if (key.length > largestKey) return part;
    const young = this.#young.get(key);
    if (young) return young;
    const known = this.#old.get(key) ?? part;
    this.#young.set(key, known);
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return known;
  }
}
