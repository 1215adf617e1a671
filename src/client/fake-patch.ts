import { cloneDeep, type KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { invalid } from '../api/status.ts';
import type { Patch } from './client.ts';

/** The patched object, a private copy. */
export function fakePatch(resource: ResourceRef<any>, object: KubeObject, patch: Patch): KubeObject {
  const copy = cloneDeep(object) as unknown;
  switch (patch.type) {
    case 'json':
      return jsonPatch(copy, patch.body as readonly Operation[], resource, object.metadata.name) as KubeObject;
    case 'merge':
      return mergePatch(copy, cloneDeep(patch.body)) as KubeObject;
    default:
      return strategicPatch(copy, cloneDeep(patch.body), '') as KubeObject;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = isObject(target) ? target : {};
  for (const [k, v] of Object.entries(patch)) {
    if (v === null) delete out[k];
    else out[k] = mergePatch(out[k], v);
  }
  return out;
}

// Merge keys of the lists that controllers patch.
const mergeKeys: Record<string, string> = {
  ownerReferences: 'uid',
  conditions: 'type',
  containers: 'name',
  initContainers: 'name',
  containerStatuses: 'name',
  volumes: 'name',
  env: 'name',
  addresses: 'type',
  taints: 'key',
};
const mergedSets = new Set(['finalizers']);

function strategicPatch(target: unknown, patch: unknown, field: string): unknown {
  if (Array.isArray(patch)) return strategicList(Array.isArray(target) ? target : [], patch, field);
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = isObject(target) && patch.$patch !== 'replace' ? target : {};
  for (const [k, v] of Object.entries(patch)) {
    if (k === '$patch' || k.startsWith('$setElementOrder/') || k === '$retainKeys') continue;
    if (k.startsWith('$deleteFromPrimitiveList/')) {
      const name = k.slice('$deleteFromPrimitiveList/'.length);
      const gone = v as readonly unknown[];
      if (Array.isArray(out[name])) out[name] = out[name].filter(x => !gone.includes(x));
    } else if (v === null) delete out[k];
    else out[k] = strategicPatch(out[k], v, k);
  }
  return out;
}

function strategicList(target: unknown[], patch: unknown[], field: string): unknown[] {
  if (mergedSets.has(field)) return [...new Set([...target, ...patch])];
  const key = mergeKeys[field];
  if (!key) return patch;
  if (patch.some(p => isObject(p) && p.$patch === 'replace'))
    return patch.filter(p => !(isObject(p) && p.$patch === 'replace'));
  const out = [...target] as Record<string, unknown>[];
  for (const item of patch as Record<string, unknown>[]) {
    const at = out.findIndex(x => x[key] === item[key]);
    if (item.$patch === 'delete') {
      if (at >= 0) out.splice(at, 1);
    } else if (at >= 0) out[at] = strategicPatch(out[at], item, '') as Record<string, unknown>;
    else out.push(item);
  }
  return out;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** RFC 6902. */
function jsonPatch(document: unknown, operations: readonly Operation[], resource: ResourceRef, name: string): unknown {
  const root = { root: document };
  const refuse = (message: string) =>
    invalid({ group: resource.group, resource: resource.kind }, name, [{ reason: 'FieldValueInvalid', message }]);
  const parentOf = (path: string): [any, string] => {
    const steps = `/root${path}`
      .split('/')
      .slice(1)
      .map(s => s.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop()!;
    let at: any = root;
    for (const step of steps) at = at?.[step];
    if (typeof at !== 'object' || at === null) throw refuse(`the path ${path} does not exist`);
    return [at, last];
  };
  const read = (path: string) => {
    const [parent, step] = parentOf(path);
    if (!(step in parent)) throw refuse(`the path ${path} does not exist`);
    return parent[step];
  };
  const add = (path: string, value: unknown) => {
    const [parent, step] = parentOf(path);
    if (Array.isArray(parent)) parent.splice(step === '-' ? parent.length : Number(step), 0, value);
    else parent[step] = value;
  };
  const remove = (path: string) => {
    read(path);
    const [parent, step] = parentOf(path);
    if (Array.isArray(parent)) parent.splice(Number(step), 1);
    else delete parent[step];
  };
  for (const { op, path, from = '', value } of operations) {
    if (op === 'add') add(path, cloneDeep(value));
    else if (op === 'remove') remove(path);
    else if (op === 'replace') {
      read(path);
      const [parent, step] = parentOf(path);
      parent[step] = cloneDeep(value);
    } else if (op === 'copy') add(path, cloneDeep(read(from)));
    else if (op === 'move') {
      const moved = read(from);
      remove(from);
      add(path, moved);
    } else if (op === 'test') {
      if (JSON.stringify(read(path)) !== JSON.stringify(value)) throw refuse(`testing value ${path} failed`);
    } else throw refuse(`unknown operation ${op}`);
  }
  return root.root;
}
