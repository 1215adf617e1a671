import { cloneDeep, type KubeObject } from '../api/meta.ts';
import { applyJsonPatch } from '../api/patch/json-patch.ts';
import { applyMergePatch } from '../api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../api/patch/strategic-merge-patch.ts';
import type { ResourceRef } from '../api/ref.ts';
import { builtinResources, resourceId } from '../api/resource.ts';
import type { Patch } from './client.ts';

/** The patched object, a private copy. Server-side apply is taken for a strategic merge: nobody owns fields here. */
export function fakePatch(resource: ResourceRef<any>, object: KubeObject, patch: Patch): KubeObject {
  return cloneDeep(patched(resource, object, patch)) as unknown as KubeObject;
}

function patched(resource: ResourceRef<any>, object: KubeObject, patch: Patch): KubeObject {
  if (patch.type === 'json') return applyJsonPatch(object, patch.body);
  const typeName = builtinResources().byId(resourceId(resource))?.typeName;
  if (patch.type === 'merge' || !typeName) return applyMergePatch(object, patch.body);
  return applyStrategicMergePatch(typeName, object, patch.body);
}
