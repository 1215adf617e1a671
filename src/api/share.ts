// Equal parts of objects held once: pods of one template differ in little but names, and every version of an object
// repeats the last one. Objects are never changed once stored, so parts can belong to many.
import { escapeMarkup } from '../base/json-text.ts';
import { isCanonicalPart, isSharedPart, keepPartText, markCanonical, shortestText } from './canonical-part.ts';
import type { KubeObject, Mutable } from './meta.ts';
import { normalize } from './normalize.ts';
import { Recent } from './recent.ts';

type Plain = Record<string, unknown>;

const largestKey = 16 << 10;
// V8 itself holds equal texts of JSON once up to this length.
const longestSharedByEngine = 10;
const longestText = 256;
// Shorter lists cost less than the search for an equal one.
const shortestList = 4;
// A pod's token volume has a name of its own, which its containers mount; all else is the template's.
const namedWithin: ReadonlySet<string> = new Set(['containers', 'initContainers', 'volumes']);
// No two objects have the same.
const own: ReadonlySet<string> = new Set(['uid', 'resourceVersion']);
const containerType = 'io.k8s.api.core.v1.Container';

/** Remembers the parts it met last. */
export class PartSharer {
  readonly #parts: Recent<object>;
  readonly #lists: Recent<object>;
  readonly #texts: Recent<string>;

  constructor(capacity = 4096) {
    this.#parts = new Recent(capacity);
    this.#lists = new Recent(capacity >> 2);
    this.#texts = new Recent(capacity);
  }

  /**
   * Replaces the lists of variables of a pod that is to be made by canonical ones met before, so that equal ones are
   * looked into once.
   */
  adoptLists(pod: Mutable<KubeObject>): void {
    const spec = (pod as unknown as { spec?: Record<string, Plain[] | undefined> }).spec;
    for (const containers of [spec?.initContainers, spec?.containers])
      for (const container of containers ?? []) {
        const { env } = container;
        if (!Array.isArray(env) || env.length < shortestList || isCanonicalPart(env)) continue;
        const text = JSON.stringify(env);
        if (text.length <= largestKey) container.env = this.#lists.of(text, () => canonicalEnv(env));
      }
  }

  /** Replaces parts of `object`, in place, by equal ones met before; those it has from `old` may stay. */
  share(object: Mutable<KubeObject>, old?: KubeObject): void {
    const all = object as unknown as { metadata: Plain } & Plain;
    const before = old as unknown as ({ metadata: Plain } & Plain) | undefined;
    const { metadata } = all;
    this.#shareFields(metadata, before?.metadata, 'managedFields');
    const known = (before?.metadata.managedFields ?? []) as Plain[];
    for (const entry of (metadata.managedFields ?? []) as Plain[]) if (!known.includes(entry)) this.#shareFields(entry);
    for (const key in all) {
      const value = all[key];
      if (key === 'metadata' || value === before?.[key]) continue;
      if (key === 'status') this.#shareFields(value as Plain, before?.status as Plain | undefined);
      else if (key === 'spec') this.#shareSpec(value as Plain, before?.spec as Plain | undefined);
      else this.#shareField(all, key);
    }
  }

  #shareSpec(spec: Plain | undefined, old?: Plain): void {
    if (typeof spec !== 'object' || spec === null || Array.isArray(spec) || spec === old) return;
    for (const key in spec) {
      const value = spec[key];
      if (value === old?.[key]) continue;
      if (namedWithin.has(key) && Array.isArray(value)) {
        const before = old?.[key];
        const known: unknown[] = Array.isArray(before) ? before : [];
        for (const item of value) if (!known.includes(item)) this.#shareFields(item as Plain);
      } else if (key === 'template') {
        const before = old?.template as Plain | null | undefined;
        this.#shareSpec((value as Plain | null)?.spec as Plain | undefined, before?.spec as Plain | undefined);
      } else this.#shareField(spec, key);
    }
  }

  #shareFields(value: Plain | undefined, old?: Plain, except?: string): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const key in value)
      if (key !== except && !own.has(key) && value[key] !== old?.[key]) this.#shareField(value, key);
  }

  #shareField(owner: Plain, key: string): void {
    const value = owner[key];
    const known = typeof value === 'string' ? this.#text(value) : isObject(value) ? this.#known(value) : value;
    if (known !== value) owner[key] = known;
  }

  #text(text: string): string {
    const { length } = text;
    return length > longestSharedByEngine && length <= longestText ? this.#texts.of(text, () => text) : text;
  }

  #known(part: object): object {
    if (isCanonicalPart(part) || isSharedPart(part)) return part;
    const key = JSON.stringify(part);
    if (key.length > largestKey) return part;
    const known = this.#parts.of(key, () => this.#withTexts(part));
    if (known !== part && key.length >= shortestText) keepPartText(known, escapeMarkup(key));
    return known;
  }

  /** A part met for the first time: only its texts may be others' too. */
  #withTexts(part: object): object {
    if (Object.isFrozen(part)) return part;
    const fields = part as Plain;
    for (const key in fields) {
      const value = fields[key];
      if (isObject(value)) this.#withTexts(value);
      else if (typeof value === 'string') fields[key] = this.#text(value);
    }
    return part;
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function canonicalEnv(env: unknown[]): object {
  const { env: made } = normalize(containerType, { name: '', env }) as unknown as { env: object };
  return markCanonical(made);
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
    if (!adopted(value, before)) same = false;
    else if (!Object.isFrozen(fields)) fields[key] = before;
  }
  return same && at === keys.length;
}

/** Whether the JSON of both is the same; what is not the same has taken over the parts that are, unless it is frozen. */
function adopted(value: unknown, old: unknown): boolean {
  if (typeof value !== 'object' || typeof old !== 'object' || value === null || old === null) return value === old;
  if (!Array.isArray(value)) return !Array.isArray(old) && adoptFields(value as Plain, old as Plain);
  if (!Array.isArray(old)) return false;
  let same = value.length === old.length;
  for (let i = 0; i < value.length && i < old.length; i++) {
    if (value[i] === old[i]) continue;
    if (!adopted(value[i], old[i])) same = false;
    else if (!Object.isFrozen(value)) value[i] = old[i];
  }
  return same;
}
