// What would have to be done for a pod's claims on a node, and whether it can be.
import { selectorFromLabelSelector } from '../../../api/label-selector.ts';
import { keyOf } from '../../../api/meta.ts';
import { parseQuantity } from '../../../api/quantity.ts';
import { storageV1 } from '../../../api/refs.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { InformerFactory } from '../../../client/informer.ts';
import { matchVolume, requestOf, topologyAllows, volumeReaches } from './match-volume.ts';
import { classOf, classOfVolume, VolumeListers } from './volume-lister.ts';

export const selectedNode = 'volume.kubernetes.io/selected-node';
const noProvisioner = 'kubernetes.io/no-provisioner';

export const reasons = {
  affinity: "node(s) didn't match PersistentVolume's node affinity",
  noMatch: "node(s) didn't find available persistent volumes to bind",
  noSpace: 'node(s) did not have enough free storage',
  noVolume: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
} as const;

/** By claim key. */
export interface VolumePlan {
  readonly bind: ReadonlyMap<string, PersistentVolume>;
  readonly provision: readonly PersistentVolumeClaim[];
}

export class VolumePlanner {
  readonly listers: VolumeListers;
  /** Volumes promised to claims, nodes promised to claims: not yet seen in the API. */
  readonly promisedVolumes = new Map<string, string>();
  readonly promisedNodes = new Map<string, string>();
  readonly #drivers;
  readonly #capacities;
  readonly #volumes;

  constructor(informers: InformerFactory) {
    this.listers = new VolumeListers(informers);
    this.#drivers = informers.informer(storageV1.csidrivers).lister;
    this.#capacities = informers.informer(storageV1.csistoragecapacities).lister;
    this.#volumes = this.listers.volumes;
  }

  /** Why the volumes of bound claims cannot be used on the node. */
  boundConflict(bound: readonly PersistentVolumeClaim[], node: Node): string | undefined {
    for (const claim of bound) {
      const volume = this.#volumes.get(claim.spec.volumeName!);
      if (!volume) return reasons.noVolume;
      if (!volumeReaches(volume, node)) return reasons.affinity;
    }
    return undefined;
  }

  /** For claims that wait for a node: the plan, or why there is none. */
  plan(claims: readonly PersistentVolumeClaim[], node: Node): VolumePlan | string {
    const bind = new Map<string, PersistentVolume>();
    const taken = new Set<string>();
    const provision: PersistentVolumeClaim[] = [];
    // Small claims first, so that they leave large volumes to large claims.
    const bySize = claims.toSorted((a, b) => requestOf(a).compare(requestOf(b)));
    for (const claim of bySize) {
      const chosen = this.promisedNodes.get(keyOf(claim)) ?? claim.metadata.annotations?.[selectedNode];
      if (chosen !== undefined) {
        if (chosen !== node.metadata.name) return reasons.noMatch;
        provision.push(claim);
        continue;
      }
      const free = this.#volumes
        .list()
        .filter(v => !taken.has(v.metadata.name!) && classOfVolume(v) === classOf(claim));
      const volume = matchVolume(claim, free, node, name => this.promisedVolumes.get(name));
      if (volume) {
        taken.add(volume.metadata.name!);
        bind.set(keyOf(claim), volume);
      } else provision.push(claim);
    }
    for (const claim of provision) {
      const why = this.#provisionConflict(claim, node);
      if (why) return why;
    }
    return { bind, provision };
  }

  #provisionConflict(claim: PersistentVolumeClaim, node: Node): string | undefined {
    const storageClass = this.listers.classes.get(classOf(claim));
    if (!storageClass?.provisioner || storageClass.provisioner === noProvisioner) return reasons.noMatch;
    if (!topologyAllows(storageClass.allowedTopologies, node)) return reasons.noMatch;
    if (!this.#drivers.get(storageClass.provisioner)?.spec.storageCapacity) return undefined;
    const size = requestOf(claim);
    const enough = this.#capacities.list().some(c => {
      const most = c.maximumVolumeSize ?? c.capacity;
      return (
        c.storageClassName === storageClass.metadata.name &&
        most !== undefined &&
        parseQuantity(most).compare(size) >= 0 &&
        !!c.nodeTopology &&
        selectorFromLabelSelector(c.nodeTopology).matches(node.metadata.labels)
      );
    });
    return enough ? undefined : reasons.noSpace;
  }
}
