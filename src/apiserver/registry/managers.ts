import { updateManagedFields } from '../../api/managed-fields.ts';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { formatTime } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/ref.ts';
import type { Registry, WriteContext } from './registry.ts';

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
  const managedFields = updateManagedFields({
    ...(resource.custom ? { shape: resource.custom.shape } : { typeName: resource.typeName }),
    old,
    updated: object as KubeObject,
    manager: context.fieldManager,
    operation: 'Update',
    apiVersion: apiVersionOf(resource),
    subresource: context.subresource,
    time: formatTime(registry.options.clock.now()),
  });
  if (managedFields.length)
    object.metadata.managedFields = managedFields as Mutable<KubeObject>['metadata']['managedFields'];
  else delete object.metadata.managedFields;
}
