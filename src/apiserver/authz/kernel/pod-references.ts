// What a pod or a volume makes its node read: names of secrets, config maps, claims. Pure.
import { podObjects, type Reference, resourceClaimsOf } from '../../../api/pod-reference.ts';
import type { PersistentVolume, Pod } from '../../../api/type/core-v1.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';

/**
 * Everything the pod's node may read for it. Nothing for a mirror pod: a node makes those itself, and must not be able
 * to widen its own rights.
 */
export function podReferences(pod: Pod): Reference[] {
  return pod.metadata.annotations?.[mirrorAnnotation] === undefined ? podObjects(pod) : [];
}

/** True when an update cannot have changed what podReferences gives: all of it but claims and debug containers is fixed. */
export function sameReferences(pod: Pod, old: Pod): boolean {
  return (
    pod === old ||
    (pod.metadata.uid === old.metadata.uid &&
      pod.spec.nodeName === old.spec.nodeName &&
      (pod.spec.ephemeralContainers?.length ?? 0) === (old.spec.ephemeralContainers?.length ?? 0) &&
      [...resourceClaimsOf(pod)].join('\0') === [...resourceClaimsOf(old)].join('\0'))
  );
}

/** Secrets that the node which mounts the volume needs; what only controllers use (publish, expand) is not among them. */
export function volumeSecrets(volume: PersistentVolume): { namespace: string; name: string }[] {
  const { spec } = volume;
  const claimNamespace = spec.claimRef?.namespace ?? '';
  const out: { namespace: string; name: string }[] = [];
  const add = (ref: { readonly name?: string; readonly namespace?: string } | undefined, fallback = '') => {
    const namespace = ref?.namespace || fallback;
    if (ref?.name && namespace) out.push({ namespace, name: ref.name });
  };
  const azure = spec.azureFile;
  if (azure) add({ name: azure.secretName, namespace: azure.secretNamespace }, claimNamespace);
  for (const source of [spec.cephfs, spec.flexVolume, spec.rbd, spec.scaleIO, spec.iscsi])
    add(source?.secretRef, claimNamespace);
  add(spec.cinder?.secretRef);
  add(spec.storageos?.secretRef);
  add(spec.csi?.nodePublishSecretRef);
  add(spec.csi?.nodeStageSecretRef);
  add(spec.csi?.nodeExpandSecretRef);
  return out;
}
