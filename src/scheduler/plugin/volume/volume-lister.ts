// What volume plugins read: claims, volumes, classes, and what a pod's claims come to.
import { coreV1, storageV1 } from '../../../api/refs.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { InformerFactory } from '../../../client/informer.ts';
import type { PodInfo } from '../../pod-info.ts';
import { type Status, unresolvable } from '../../status.ts';

const bindCompleted = 'pv.kubernetes.io/bind-completed';
const betaClass = 'volume.beta.kubernetes.io/storage-class';

export const classOf = (claim: PersistentVolumeClaim): string =>
  claim.metadata.annotations?.[betaClass] ?? claim.spec.storageClassName ?? '';

export const classOfVolume = (volume: PersistentVolume): string =>
  volume.metadata.annotations?.[betaClass] ?? volume.spec.storageClassName ?? '';

export const isBound = (claim: PersistentVolumeClaim): boolean =>
  !!claim.spec.volumeName && claim.metadata.annotations?.[bindCompleted] !== undefined;

export class VolumeListers {
  readonly claims;
  readonly volumes;
  readonly classes;

  constructor(informers: InformerFactory) {
    this.claims = informers.informer(coreV1.persistentvolumeclaims).lister;
    this.volumes = informers.informer(coreV1.persistentvolumes).lister;
    this.classes = informers.informer(storageV1.storageclasses).lister;
  }

  claim(pod: PodInfo, name: string): PersistentVolumeClaim | undefined {
    return this.claims.get(`${pod.namespace}/${name}`);
  }

  /** Binding waits until a pod has a node. */
  waitsForConsumer(claim: PersistentVolumeClaim): boolean {
    return this.classes.get(classOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
  }

  /** Why the pod's claims cannot be used as they are. */
  missing(plugin: string, pod: PodInfo): Status | undefined {
    for (const v of pod.pod.spec.volumes ?? []) {
      if (!v.persistentVolumeClaim && !v.ephemeral) continue;
      const name = v.persistentVolumeClaim?.claimName ?? `${pod.name}-${v.name}`;
      const why = this.#wrong(pod, name, !!v.ephemeral);
      if (why) return unresolvable(plugin, why);
    }
    return undefined;
  }

  #wrong(pod: PodInfo, name: string, ephemeral: boolean): string | undefined {
    const claim = this.claim(pod, name);
    if (!claim)
      return ephemeral
        ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
        : `persistentvolumeclaim "${name}" not found`;
    if (claim.status?.phase === 'Lost')
      return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName ?? ''}"`;
    if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
    const owned = claim.metadata.ownerReferences?.some(o => o.controller && o.uid === pod.pod.metadata.uid);
    if (ephemeral && !owned)
      return `PVC ${pod.namespace}/${name} was not created for pod ${pod.key} (pod is not owner)`;
    return undefined;
  }
}
