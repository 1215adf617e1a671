// Which objects a node has to do with: through its pods, their claims, the claims' volumes, the volumes' secrets. Pure.
import type { PodCertificateRequest } from '../../../api/type/certificates-v1beta1.ts';
import type { PersistentVolume, Pod } from '../../../api/type/core-v1.ts';
import type { ResourceSlice } from '../../../api/type/resource-v1.ts';
import type { VolumeAttachment } from '../../../api/type/storage-v1.ts';
import { podReferences, volumeSecrets } from './pod-references.ts';

export type VertexType =
  | 'pod'
  | 'secret'
  | 'configmap'
  | 'pvc'
  | 'pv'
  | 'serviceaccount'
  | 'resourceclaim'
  | 'volumeattachment'
  | 'resourceslice'
  | 'podcertificaterequest';

interface PodEntry {
  readonly node: string;
  /** Keys of what it refers to, each once. */
  readonly uses: readonly string[];
}

interface VolumeEntry {
  readonly claim: string;
  readonly secrets: readonly string[];
}

const keyOf = (type: string, namespace: string, name: string) => `${type}/${namespace}/${name}`;

/**
 * Kept by object: set and remove with what informers deliver, in any order. A question costs one look-up for what pods
 * use themselves, and a walk over one node's claims for volumes and their secrets; never a walk over the cluster.
 */
export class NodeGraph {
  readonly #pods = new Map<string, PodEntry>();
  // node → what its pods use → how many of them do.
  readonly #uses = new Map<string, Map<string, number>>();
  readonly #volumes = new Map<string, VolumeEntry>();
  // claim → volumes bound to it; secret → volumes that need it.
  readonly #volumesOfClaim = new Map<string, Set<string>>();
  readonly #volumesOfSecret = new Map<string, Set<string>>();
  readonly #attachments = new Map<string, string>();
  readonly #slices = new Map<string, string>();
  readonly #certificateRequests = new Map<string, string>();

  setPod(pod: Pod): void {
    const key = keyOf('pod', pod.metadata.namespace ?? '', pod.metadata.name ?? '');
    this.#dropPod(key);
    const node = pod.spec.nodeName;
    if (!node) return;
    const uses = [...new Set(podReferences(pod).map(r => keyOf(r.type, r.namespace, r.name)))];
    this.#pods.set(key, { node, uses });
    const counts = this.#uses.get(node) ?? new Map<string, number>();
    this.#uses.set(node, counts);
    for (const used of uses) counts.set(used, (counts.get(used) ?? 0) + 1);
  }

  removePod(namespace: string, name: string): void {
    this.#dropPod(keyOf('pod', namespace, name));
  }

  setVolume(volume: PersistentVolume): void {
    const name = volume.metadata.name ?? '';
    this.removeVolume(name);
    const claim = volume.spec.claimRef;
    if (!claim) return;
    const entry = {
      claim: keyOf('pvc', claim.namespace ?? '', claim.name ?? ''),
      secrets: [...new Set(volumeSecrets(volume).map(s => keyOf('secret', s.namespace, s.name)))],
    };
    this.#volumes.set(name, entry);
    addTo(this.#volumesOfClaim, entry.claim, name);
    for (const secret of entry.secrets) addTo(this.#volumesOfSecret, secret, name);
  }

  removeVolume(name: string): void {
    const old = this.#volumes.get(name);
    if (!old) return;
    this.#volumes.delete(name);
    removeFrom(this.#volumesOfClaim, old.claim, name);
    for (const secret of old.secrets) removeFrom(this.#volumesOfSecret, secret, name);
  }

  setAttachment(attachment: VolumeAttachment): void {
    this.#attachments.set(attachment.metadata.name ?? '', attachment.spec.nodeName);
  }

  removeAttachment(name: string): void {
    this.#attachments.delete(name);
  }

  setSlice(slice: ResourceSlice): void {
    const name = slice.metadata.name ?? '';
    if (slice.spec.nodeName) this.#slices.set(name, slice.spec.nodeName);
    else this.#slices.delete(name);
  }

  removeSlice(name: string): void {
    this.#slices.delete(name);
  }

  setCertificateRequest({ metadata, spec }: PodCertificateRequest): void {
    const key = keyOf('podcertificaterequest', metadata.namespace ?? '', metadata.name ?? '');
    this.#certificateRequests.set(key, spec.nodeName);
  }

  removeCertificateRequest(namespace: string, name: string): void {
    this.#certificateRequests.delete(keyOf('podcertificaterequest', namespace, name));
  }

  /** Whether the node has to do with the object. `namespace` is '' for cluster-wide ones. */
  isRelated(node: string, type: VertexType, namespace: string, name: string): boolean {
    const key = keyOf(type, namespace, name);
    switch (type) {
      case 'pod':
        return this.#pods.get(key)?.node === node;
      case 'volumeattachment':
        return this.#attachments.get(name) === node;
      case 'resourceslice':
        return this.#slices.get(name) === node;
      case 'podcertificaterequest':
        return this.#certificateRequests.get(key) === node;
      case 'pv': {
        const claim = this.#volumes.get(name)?.claim;
        return claim !== undefined && this.#usedBy(node, claim);
      }
      case 'secret':
        return this.#usedBy(node, key) || this.#neededForVolume(node, key);
      default:
        return this.#usedBy(node, key);
    }
  }

  #usedBy(node: string, key: string): boolean {
    return this.#uses.get(node)?.has(key) ?? false;
  }

  // From whichever side has less to look at: one secret may serve every volume of a cluster.
  #neededForVolume(node: string, secret: string): boolean {
    const volumes = this.#volumesOfSecret.get(secret);
    const uses = this.#uses.get(node);
    if (!volumes || !uses) return false;
    if (volumes.size <= uses.size) {
      for (const v of volumes) if (uses.has(this.#volumes.get(v)!.claim)) return true;
      return false;
    }
    for (const used of uses.keys()) {
      for (const v of this.#volumesOfClaim.get(used) ?? []) if (volumes.has(v)) return true;
    }
    return false;
  }

  #dropPod(key: string): void {
    const old = this.#pods.get(key);
    if (!old) return;
    this.#pods.delete(key);
    const counts = this.#uses.get(old.node);
    // The last pod that used anything is gone from there.
    if (!counts) return;
    for (const used of old.uses) {
      const left = counts.get(used)! - 1;
      if (left) counts.set(used, left);
      else counts.delete(used);
    }
    if (!counts.size) this.#uses.delete(old.node);
  }
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const known = map.get(key);
  if (known) known.add(value);
  else map.set(key, new Set([value]));
}

function removeFrom(map: Map<string, Set<string>>, key: string, value: string): void {
  const known = map.get(key);
  known?.delete(value);
  if (known?.size === 0) map.delete(key);
}
