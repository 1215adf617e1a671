// Objects of the API that a pod names. Pure.
import type { Container, Pod, Volume } from './type/core-v1.ts';

export interface Reference {
  readonly type: 'secret' | 'configmap' | 'pvc' | 'serviceaccount' | 'resourceclaim';
  readonly namespace: string;
  readonly name: string;
}

/** The resource of an object that the pod could not run without the API for; undefined when there is none. */
export function apiReference(pod: Pod): string | undefined {
  const [first] = podObjects(pod);
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

/** Secrets, config maps, claims and accounts that a pod's node must read to run it. */
export function podObjects(pod: Pod): Reference[] {
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
  for (const claim of resourceClaimsOf(pod)) add('resourceclaim', claim);
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

/** Names of its resource claims, as far as they are known. */
export function* resourceClaimsOf(pod: Pod): Iterable<string | undefined> {
  for (const claim of pod.spec.resourceClaims ?? []) {
    yield claim.resourceClaimName ??
      pod.status?.resourceClaimStatuses?.find(s => s.name === claim.name)?.resourceClaimName;
  }
  yield pod.status?.extendedResourceClaimStatus?.resourceClaimName;
}
