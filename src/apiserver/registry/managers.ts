import { updateManagedFields, type WrittenIn } from '../../api/managed-fields.ts';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { formatTime } from '../../api/meta.ts';
import { equalJson } from '../../api/patch/plain.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { builtinResources } from '../../api/resource.ts';
import type { Registry, WriteContext } from './registry.ts';
import { convertObject } from './versions.ts';

/** Keeps metadata.managedFields true for a create, update, patch or status update by `context.fieldManager`. */
export function recordManager(
  registry: Registry,
  old: KubeObject | undefined,
  object: Mutable<KubeObject>,
  context: WriteContext,
): void {
  const { resource } = registry;
  // Nobody manages what a binding writes.
  if (!(resource.typeName || resource.custom) || context.applied || context.subresource === 'binding') return;
  const updated = object as KubeObject;
  const { requested } = context;
  const apiVersion = apiVersionOf(requested ?? resource);
  const managedFields = updateManagedFields({
    ...(resource.custom
      ? { shape: resource.custom.shape, old, updated }
      : {
          ...((requested && inVersion(apiVersion, old, updated)) ?? { typeName: resource.typeName, old, updated }),
          inVersion: version => inVersion(version, old, updated),
        }),
    manager: context.fieldManager,
    operation: 'Update',
    apiVersion,
    subresource: context.subresource,
    time: formatTime(registry.options.clock.now()),
  });
  if (managedFields.length)
    object.metadata.managedFields = managedFields as Mutable<KubeObject>['metadata']['managedFields'];
  else delete object.metadata.managedFields;
}

/** Whether nothing but times of managers has changed: that is no change. */
export function differInTimes(object: Mutable<KubeObject>, old: KubeObject): boolean {
  const [mine, theirs] = [object.metadata.managedFields ?? [], old.metadata.managedFields ?? []];
  if (mine.length !== theirs.length) return false;
  for (const [i, entry] of mine.entries()) if (!equalJson({ ...entry, time: theirs[i]!.time }, theirs[i])) return false;
  const managedFields = theirs;
  return equalJson({ ...object, metadata: { ...object.metadata, managedFields } }, old);
}

/** A write as a version of its kind shows it; undefined for a version nobody knows. */
export function inVersion(apiVersion: string, old: KubeObject | undefined, updated: KubeObject): WrittenIn | undefined {
  const typeName = builtinResources().typeNameOf(apiVersion, updated.kind ?? '');
  if (!typeName) return undefined;
  const as = (object: KubeObject) =>
    object.apiVersion === apiVersion ? object : (convertObject(object, apiVersion) as KubeObject);
  return { typeName, old: old && as(old), updated: as(updated) };
}
