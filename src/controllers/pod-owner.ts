// Which workloads a change of a pod (or of another owned object) concerns, and which pods concern a workload.
import { type KubeObject, keyOf } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { semanticEqual } from '../api/rule/record.ts';
import type { OwnerReference } from '../api/type/meta-v1.ts';
import type { Lister } from '../client/informer.ts';
import type { ControllerContext } from '../engine/controller.ts';
import { controllerOf } from '../engine/controller-ref.ts';

/** Index of owned objects by the uid of their controller; those without one stand under `orphan/<namespace>`. */
export const controllerIndex = 'controller-uid';

export const controllerIndexValues = (object: KubeObject): readonly string[] => [
  controllerOf(object)?.uid ?? `orphan/${object.metadata.namespace}`,
];

/** Declares the index for `Controller.indexes`. */
export const indexByController = (resource: ResourceRef<any>) => ({
  resource,
  name: controllerIndex,
  values: controllerIndexValues,
});

/** What the owner controls, and the orphans of its namespace, which it may adopt. */
export function ownedOrOrphan<T extends KubeObject>(lister: Lister<T>, owner: KubeObject): readonly T[] {
  const orphans = lister.byIndex(controllerIndex, `orphan/${owner.metadata.namespace}`);
  const owned = lister.byIndex(controllerIndex, owner.metadata.uid);
  return orphans.length === 0 ? owned : [...owned, ...orphans];
}

export const controlledBy = <T extends KubeObject>(lister: Lister<T>, owner: KubeObject): readonly T[] =>
  lister.byIndex(controllerIndex, owner.metadata.uid);

/** The key of the owner, if it is one of `resource` and still the same object. */
export function ownerKey(
  ref: OwnerReference | undefined,
  namespace: string,
  resource: ResourceRef<any>,
  lister: Lister<KubeObject>,
): string | undefined {
  if (!ref || ref.kind !== resource.kind || groupOf(ref.apiVersion) !== resource.group) return undefined;
  const key = `${namespace}/${ref.name}`;
  return lister.get(key)?.metadata.uid === ref.uid ? key : undefined;
}

const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';

/**
 * Keys function of a watch on owned objects: the owner, the former owner, and for an orphan that is new or has new
 * labels everybody whose selector chooses it. None when `concerns` says that nothing has changed that they look at.
 */
export function ownerKeys<O extends KubeObject, T extends KubeObject = KubeObject>(
  resource: ResourceRef<O>,
  selects: (owner: O, labels: Readonly<Record<string, string>> | undefined) => boolean,
  concerns: (object: T, old: T) => boolean = () => true,
) {
  return (object: T, old: T | undefined, context: ControllerContext, deleted: boolean): string[] => {
    if (old && old !== object && !deleted && !changedHands(object, old) && !concerns(object, old)) return [];
    const lister = context.lister(resource);
    const namespace = object.metadata.namespace ?? '';
    const ref = controllerOf(object);
    const before = old && old !== object ? controllerOf(old) : undefined;
    const keys = new Set<string>();
    if (before && before.uid !== ref?.uid) add(keys, ownerKey(before, namespace, resource, lister));
    if (ref) add(keys, ownerKey(ref, namespace, resource, lister));
    else if (!deleted && !object.metadata.deletionTimestamp && (!old || changedHands(object, old))) {
      for (const owner of lister.list(namespace)) if (selects(owner, object.metadata.labels)) keys.add(keyOf(owner));
    }
    return [...keys];
  };
}

function changedHands({ metadata: now }: KubeObject, { metadata: old }: KubeObject): boolean {
  return !semanticEqual(now.labels, old.labels) || !semanticEqual(now.ownerReferences, old.ownerReferences);
}

function add(keys: Set<string>, key: string | undefined): void {
  if (key) keys.add(key);
}
