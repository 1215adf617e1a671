// Objects that name a class, or get the default one: DefaultStorageClass, DefaultIngressClass, RuntimeClass; and the
// finalizers of StorageObjectInUseProtection.

import type { KubeObject, Mutable } from '../../api/meta.ts';
import { canonicalQuantity, parseQuantity } from '../../api/quantity.ts';
import { forbidden } from '../../api/status.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import type { Ingress, IngressClass } from '../../api/type/networking-v1.ts';
import type { RuntimeClass } from '../../api/type/node-v1.ts';
import type { StorageClass } from '../../api/type/storage-v1.ts';
import { own } from '../../base/own.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { mergeTolerations } from './tolerations.ts';

const defaultStorageAnnotation = 'storageclass.kubernetes.io/is-default-class';
const betaStorageAnnotation = 'storageclass.beta.kubernetes.io/is-default-class';
const claimClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
const defaultIngressAnnotation = 'ingressclass.kubernetes.io/is-default-class';

const creates = ({ operation, resource, subresource }: AdmissionAttributes, group: string, name: string) =>
  operation === 'CREATE' && subresource === '' && resource.group === group && resource.resource === name;

function all<T>(cache: WatchCache, wanted: (object: T) => boolean): T[] {
  const out: T[] = [];
  cache.snapshot().scan('', undefined, s => {
    const object = s.object as unknown as T;
    if (wanted(object)) out.push(object);
    return undefined;
  });
  return out;
}

const annotated = (object: { metadata: KubeObject['metadata'] }, ...names: string[]) =>
  names.some(n => object.metadata.annotations?.[n] === 'true');

// The newest default wins, among those of one second the first by name.
const newestFirst = (a: KubeObject, b: KubeObject) =>
  (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '') ||
  (a.metadata.name < b.metadata.name ? -1 : 1);

export function defaultStorageClass(classes: WatchCache): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: a => creates(a, '', 'persistentvolumeclaims'),
    mutate({ object }) {
      const claim = object as unknown as Mutable<PersistentVolumeClaim>;
      const annotation = claim.metadata.annotations?.[claimClassAnnotation];
      if (claim.spec.storageClassName !== undefined || annotation !== undefined) return;
      const found = all<StorageClass & KubeObject>(classes, c =>
        annotated(c, defaultStorageAnnotation, betaStorageAnnotation),
      ).sort(newestFirst)[0];
      if (found) claim.spec.storageClassName = found.metadata.name;
    },
  };
}

export function defaultIngressClass(classes: WatchCache): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: a => creates(a, 'networking.k8s.io', 'ingresses'),
    mutate({ object }) {
      const ingress = object as unknown as Mutable<Ingress>;
      if (ingress.spec?.ingressClassName !== undefined) return;
      if (ingress.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined) return;
      const found = all<IngressClass & KubeObject>(classes, c => annotated(c, defaultIngressAnnotation)).sort(
        newestFirst,
      )[0];
      if (found) ingress.spec = { ...ingress.spec, ingressClassName: found.metadata.name } as typeof ingress.spec;
    },
  };
}

/** A pod's runtime class adds its overhead, node selector and tolerations. */
export function runtimeClass(classes: WatchCache): AdmissionPlugin {
  const classOf = (attributes: AdmissionAttributes): RuntimeClass | undefined => {
    const name = (attributes.object as unknown as Pod).spec.runtimeClassName;
    if (!name) return undefined;
    const found = classes.latest(name)?.object as unknown as RuntimeClass | undefined;
    if (!found) throw rejected(attributes, `RuntimeClass ${JSON.stringify(name)} not found`);
    return found;
  };
  return {
    name: 'RuntimeClass',
    handles: a => creates(a, '', 'pods'),
    mutate(attributes) {
      const found = classOf(attributes);
      const pod = attributes.object as unknown as Mutable<Pod>;
      if (found?.overhead) {
        const { podFixed = {} } = found.overhead;
        if (Object.keys(pod.spec.overhead ?? {}).length && !sameList(pod.spec.overhead!, podFixed))
          throw rejected(attributes, otherOverhead);
        if (found.overhead.podFixed) pod.spec.overhead = { ...podFixed };
        else delete pod.spec.overhead;
      }
      const { nodeSelector, tolerations } = found?.scheduling ?? {};
      for (const [key, value] of Object.entries(nodeSelector ?? {})) {
        const given = own(pod.spec.nodeSelector, key);
        if (given !== undefined && given !== value)
          throw forbidden(
            attributes.resource,
            attributes.name,
            `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${given}`,
          );
        pod.spec.nodeSelector = { ...pod.spec.nodeSelector, [key]: value };
      }
      if (tolerations?.length)
        pod.spec.tolerations = mergeTolerations([...(pod.spec.tolerations ?? []), ...tolerations]);
    },
    validate(attributes) {
      const { overhead = {} } = (attributes.object as unknown as Pod).spec;
      const found = classOf(attributes);
      if (found?.overhead) {
        if (!sameList(overhead, found.overhead.podFixed ?? {})) throw rejected(attributes, otherOverhead);
      } else if (Object.keys(overhead).length)
        throw rejected(attributes, 'Pod Overhead set without corresponding RuntimeClass defined Overhead');
    },
  };
}

const otherOverhead = "Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const rejected = ({ resource, name }: AdmissionAttributes, why: string) =>
  forbidden(resource, name, `pod rejected: ${why}`);

function sameList(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every(n => b[n] !== undefined && canonicalQuantity(a[n]!) === canonicalQuantity(b[n]!))
  );
}

const protectionOf: Readonly<Record<string, string>> = {
  persistentvolumes: 'kubernetes.io/pv-protection',
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  volumeattributesclasses: 'kubernetes.io/vac-protection',
};

/** Volumes, claims and attributes classes that are in use outlive their deletion. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: a =>
    creates(a, '', 'persistentvolumes') ||
    creates(a, '', 'persistentvolumeclaims') ||
    creates(a, 'storage.k8s.io', 'volumeattributesclasses'),
  mutate({ object, resource }) {
    const { metadata } = object!;
    const finalizer = protectionOf[resource.resource]!;
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};

const classOfClaim = ({ metadata, spec }: PersistentVolumeClaim) =>
  metadata.annotations?.[claimClassAnnotation] ?? spec.storageClassName ?? '';

/** Claims grow only when their class says that volumes can. */
export function persistentVolumeClaimResize(classes: WatchCache): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    handles: ({ operation, resource, subresource }) =>
      operation === 'UPDATE' &&
      subresource === '' &&
      resource.group === '' &&
      resource.resource === 'persistentvolumeclaims',
    validate({ object, old, resource, name }) {
      const now = object as unknown as PersistentVolumeClaim;
      const before = old as unknown as PersistentVolumeClaim;
      const asked = now.spec.resources?.requests?.storage;
      const had = before.spec.resources?.requests?.storage;
      if (asked === undefined || parseQuantity(asked).compare(parseQuantity(had ?? '0')) <= 0) return;
      if (before.status?.phase !== 'Bound')
        throw forbidden(resource, name, 'Only bound persistent volume claims can be expanded');
      const storageClass = classOfClaim(now);
      const found = classes.latest(storageClass)?.object as unknown as StorageClass | undefined;
      if (!storageClass || storageClass !== classOfClaim(before) || found?.allowVolumeExpansion !== true)
        throw forbidden(
          resource,
          name,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        );
    },
  };
}
