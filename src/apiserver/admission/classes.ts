// Objects that name a class, or get the default one: DefaultStorageClass, DefaultIngressClass, RuntimeClass; and the
// finalizers of StorageObjectInUseProtection.

import type { KubeObject, Mutable } from '../../api/meta.ts';
import { canonicalQuantity } from '../../api/quantity.ts';
import { forbidden } from '../../api/status.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import type { Ingress, IngressClass } from '../../api/type/networking-v1.ts';
import type { RuntimeClass } from '../../api/type/node-v1.ts';
import type { StorageClass } from '../../api/type/storage-v1.ts';
import { own } from '../../base/own.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const defaultStorageAnnotation = 'storageclass.kubernetes.io/is-default-class';
const betaStorageAnnotation = 'storageclass.beta.kubernetes.io/is-default-class';
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
      const annotation = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'];
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
    if (!found)
      throw forbidden(
        attributes.resource,
        attributes.name,
        `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`,
      );
    return found;
  };
  return {
    name: 'RuntimeClass',
    handles: a => creates(a, '', 'pods'),
    mutate(attributes) {
      const found = classOf(attributes);
      const pod = attributes.object as unknown as Mutable<Pod>;
      const reject = (why: string) => forbidden(attributes.resource, attributes.name, `pod rejected: ${why}`);
      if (found?.overhead?.podFixed) {
        if (pod.spec.overhead && !sameList(pod.spec.overhead, found.overhead.podFixed))
          throw reject("Pod's Overhead doesn't match RuntimeClass's defined Overhead");
        pod.spec.overhead = { ...found.overhead.podFixed };
      }
      const { nodeSelector, tolerations } = found?.scheduling ?? {};
      for (const [key, value] of Object.entries(nodeSelector ?? {})) {
        const given = own(pod.spec.nodeSelector, key);
        if (given !== undefined && given !== value)
          throw reject(
            `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${given}`,
          );
        pod.spec.nodeSelector = { ...pod.spec.nodeSelector, [key]: value };
      }
      if (!tolerations?.length) return;
      const known = new Set((pod.spec.tolerations ?? []).map(t => JSON.stringify(t)));
      const added = tolerations.filter(t => !known.has(JSON.stringify(t)));
      if (added.length)
        pod.spec.tolerations = [...(pod.spec.tolerations ?? []), ...added] as typeof pod.spec.tolerations;
    },
    validate(attributes) {
      const pod = attributes.object as unknown as Pod;
      if (!pod.spec.overhead) return;
      const found = classOf(attributes);
      const reject = (why: string) => forbidden(attributes.resource, attributes.name, `pod rejected: ${why}`);
      if (!found) throw reject('Pod Overhead set without corresponding RuntimeClass defined Overhead');
      if (!found.overhead?.podFixed || !sameList(pod.spec.overhead, found.overhead.podFixed))
        throw reject("Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    },
  };
}

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
};

/** Volumes and claims that are in use outlive their deletion. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: a => creates(a, '', 'persistentvolumes') || creates(a, '', 'persistentvolumeclaims'),
  mutate({ object, resource }) {
    const { metadata } = object!;
    const finalizer = protectionOf[resource.resource]!;
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};

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
      if (asked === undefined || had === undefined || asked === had) return;
      if (before.status?.phase !== 'Bound')
        throw forbidden(resource, name, 'Only bound persistent volume claims can be expanded');
      const storageClass = now.spec.storageClassName ?? '';
      const found = classes.latest(storageClass)?.object as unknown as StorageClass | undefined;
      if (!storageClass || found?.allowVolumeExpansion !== true)
        throw forbidden(
          resource,
          name,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        );
    },
  };
}
