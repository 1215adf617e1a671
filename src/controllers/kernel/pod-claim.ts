// The claims a pod names.
import type { Pod } from '../../api/type/core-v1.ts';

export interface PodClaim {
  readonly name: string;
  /** Made from a template in the pod, which must own it. */
  readonly ofPod: boolean;
}

export function claimNamesOf(pod: Pod): PodClaim[] {
  const names: PodClaim[] = [];
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.persistentVolumeClaim) names.push({ name: volume.persistentVolumeClaim.claimName, ofPod: false });
    else if (volume.ephemeral) names.push({ name: `${pod.metadata.name}-${volume.name}`, ofPod: true });
  }
  return names;
}

/** Their keys. */
export const claimKeysOf = (pod: Pod): string[] =>
  claimNamesOf(pod).map(({ name }) => `${pod.metadata.namespace}/${name}`);
