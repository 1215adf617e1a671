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

  /** Replaces parts of `object`, in place, by equal ones met before; those it has from `old` may stay. */
  share(object: Mutable<KubeObject>, old?: KubeObject): void {
    const all = object as unknown as { metadata: Plain } & Plain;
    const before = old as unknown as ({ metadata: Plain } & Plain) | undefined;
    const { metadata } = all;
    this.#shareFields(metadata, before?.metadata, 'managedFields');
    const known = (before?.metadata.managedFields ?? []) as Plain[];
    for (const entry of (metadata.managedFields ?? []) as Plain[])
      if (!known.includes(entry)) this.#shareField(entry, 'fieldsV1');
    for (const key in all) {
      const value = all[key];
      if (key === 'metadata' || value === before?.[key]) continue;
      if (key === 'status') this.#shareFields(value as Plain, before?.status as Plain | undefined);
      else if (key === 'spec') this.#shareSpec(value as Plain, before?.spec as Plain | undefined);
      else this.#shareField(all, key);
    }
  }

  #shareSpec(spec: Plain | undefined, old?: Plain): void {
    if (typeof spec !== 'object' || spec === null || spec === old) return;
    for (const key in spec) {
      if (spec[key] === old?.[key]) continue;
      if (key === 'containers' || key === 'initContainers') {
        // A container mounts a volume whose name is the pod's own; all else is the template's.
        const known = (old?.[key] ?? []) as Plain[];
        for (const container of spec[key] as Plain[]) if (!known.includes(container)) this.#shareFields(container);
      } else if (key === 'template') {
        const before = old?.template as Plain | undefined;
        this.#shareSpec((spec[key] as Plain).spec as Plain | undefined, before?.spec as Plain | undefined);
      } else this.#shareField(spec, key);
    }
  }

  #shareFields(value: Plain | undefined, old?: Plain, except?: string): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const key in value) if (key !== except && value[key] !== old?.[key]) this.#shareField(value, key);
  }

  #shareField(owner: Plain, key: string): void {
    const value = owner[key];
    if (typeof value !== 'object' || value === null) return;
    const known = this.#known(value);
    if (known !== value) owner[key] = known;
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

/**
 * Replaces parts of `object`, in place, by the equal ones of `old`, which may never be changed, nor then may these. True
 * when both have the same JSON.
 */
export function adoptParts(object: Mutable<KubeObject>, old: KubeObject): boolean {
  const sameMetadata = adoptFields(object.metadata as unknown as Plain, old.metadata as unknown as Plain);
  return adoptFields(object as unknown as Plain, old as unknown as Plain, 'metadata') && sameMetadata;
}

/** True when both have the same fields in the same order. */
function adoptFields(fields: Plain, old: Plain, except?: string): boolean {
  const keys = Object.keys(old);
  let same = true;
  let at = 0;
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined) continue;
    const inOrder = keys[at++] === key;
    same &&= inOrder;
    if (key === except || !(inOrder || Object.hasOwn(old, key))) continue;
    const before = old[key];
    if (value === before) continue;
    if (adopted(value, before)) fields[key] = before;
    else same = false;
  }
  return same && at === keys.length;
}

/** Whether the JSON of both is the same; what is not the same has taken over the parts that are. */
function adopted(value: unknown, old: unknown): boolean {
  if (typeof value !== 'object' || typeof old !== 'object' || value === null || old === null) return value === old;
  if (!Array.isArray(value)) return !Array.isArray(old) && adoptFields(value as Plain, old as Plain);
  if (!Array.isArray(old)) return false;
  let same = value.length === old.length;
  for (let i = 0; i < value.length && i < old.length; i++) {
    if (value[i] === old[i]) continue;
    if (adopted(value[i], old[i])) value[i] = old[i];
    else same = false;
  }
  return same;
}
