// What a pod or a volume makes its node read: names of secrets, config maps, claims. Pure.
import type { Container, PersistentVolume, Pod, Volume } from '../../../api/type/core-v1.ts';

export interface Reference {
  readonly type: 'secret' | 'configmap' | 'pvc' | 'serviceaccount' | 'resourceclaim';
  readonly namespace: string;
  readonly name: string;
}

const mirrorAnnotation = 'kubernetes.io/config.mirror';

/**
 * Everything the pod's node may read for it. Nothing for a mirror pod: a node makes those itself, and must not be able
 * to widen its own rights.
 */
export function podReferences(pod: Pod): Reference[] {
  return pod.metadata.annotations?.[mirrorAnnotation] === undefined ? referencesIn(pod) : [];
}

/** The resource of an object that the pod could not run without the API for; undefined when there is none. */
export function apiReference(pod: Pod): string | undefined {
  const [first] = referencesIn(pod);
  if (first) return plurals[first.type];
  for (const source of (pod.spec.volumes ?? []).flatMap(v => v.projected?.sources ?? [])) {
    if (source.serviceAccountToken) return 'serviceaccounts';
    if (source.clusterTrustBundle) return 'clustertrustbundles';
    if (source.podCertificate) return 'podcertificates';
  }
  return pod.spec.resourceClaims?.length ? 'resourceclaims' : undefined;
}

const plurals: Readonly<Record<Reference['type'], string>> = {
  serviceaccount: 'a service account',
  secret: 'secrets',
  configmap: 'configmaps',
  pvc: 'persistentvolumeclaims',
  resourceclaim: 'resourceclaims',
};

function referencesIn(pod: Pod): Reference[] {
  const { namespace = '', name: podName = '' } = pod.metadata;
  const out: Reference[] = [];
  const add = (type: Reference['type'], name: string | undefined) => {
    if (name) out.push({ type, namespace, name });
  };
  const { spec } = pod;
  add('serviceaccount', spec.serviceAccountName);
  for (const s of spec.imagePullSecrets ?? []) add('secret', s.name);
  for (const list of [spec.initContainers, spec.containers, spec.ephemeralContainers])
    for (const c of list ?? []) addEnvironment(c as Container, add);
  for (const v of spec.volumes ?? []) addVolume(v, podName, add);
  for (const claim of resourceClaims(pod)) add('resourceclaim', claim);
  return out;
}

type Add = (type: Reference['type'], name: string | undefined) => void;

function addEnvironment(c: Pick<Container, 'env' | 'envFrom'>, add: Add): void {
  for (const e of c.env ?? []) {
    add('secret', e.valueFrom?.secretKeyRef?.name);
    add('configmap', e.valueFrom?.configMapKeyRef?.name);
  }
  for (const e of c.envFrom ?? []) {
    add('secret', e.secretRef?.name);
    add('configmap', e.configMapRef?.name);
  }
}

function addVolume(v: Volume, podName: string, add: Add): void {
  add('secret', v.secret?.secretName);
  add('configmap', v.configMap?.name);
  for (const s of v.projected?.sources ?? []) {
    add('secret', s.secret?.name);
    add('configmap', s.configMap?.name);
  }
  add('pvc', v.persistentVolumeClaim?.claimName);
  if (v.ephemeral) add('pvc', `${podName}-${v.name}`);
  add('secret', v.azureFile?.secretName);
  add('secret', v.csi?.nodePublishSecretRef?.name);
  for (const source of [v.cephfs, v.cinder, v.flexVolume, v.rbd, v.scaleIO, v.iscsi, v.storageos])
    add('secret', source?.secretRef?.name);
}

function* resourceClaims(pod: Pod): Iterable<string | undefined> {
  for (const claim of pod.spec.resourceClaims ?? []) {
    yield claim.resourceClaimName ??
      pod.status?.resourceClaimStatuses?.find(s => s.name === claim.name)?.resourceClaimName;
  }
  yield pod.status?.extendedResourceClaimStatus?.resourceClaimName;
}

/** True when an update cannot have changed what podReferences gives: all of it but claims and debug containers is fixed. */
export function sameReferences(pod: Pod, old: Pod): boolean {
  return (
    pod === old ||
    (pod.metadata.uid === old.metadata.uid &&
      pod.spec.nodeName === old.spec.nodeName &&
      (pod.spec.ephemeralContainers?.length ?? 0) === (old.spec.ephemeralContainers?.length ?? 0) &&
      [...resourceClaims(pod)].join('\0') === [...resourceClaims(old)].join('\0'))
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
