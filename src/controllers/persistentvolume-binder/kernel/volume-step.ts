// What to do next about a volume.
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import { provisionedBy } from './claim-step.ts';
import { sameMode } from './volume-match.ts';

export type VolumeStep =
  | { readonly do: 'phase'; readonly phase: 'Available' | 'Bound' }
  /** Its claim is gone, or needs it no more. */
  | { readonly do: 'release' }
  | { readonly do: 'unbind' }
  /** The claim has not taken it yet. */
  | { readonly do: 'awaitClaim' }
  | { readonly do: 'mismatch' };

/** `claim`: what now has the name that the volume's reference says. */
export function volumeStep(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumeStep {
  const { claimRef, persistentVolumeReclaimPolicy } = volume.spec ?? {};
  if (!claimRef?.uid) return { do: 'phase', phase: 'Available' };
  if (!claim || claim.metadata.uid !== claimRef.uid) return { do: 'release' };
  const taken = claim.spec?.volumeName;
  if (!taken) return sameMode(volume, claim) ? { do: 'awaitClaim' } : { do: 'mismatch' };
  if (taken === volume.metadata.name) return { do: 'phase', phase: 'Bound' };
  // Made for a claim that took another one: of no use to anybody.
  if (provisionedBy in (volume.metadata.annotations ?? {}) && persistentVolumeReclaimPolicy === 'Delete')
    return { do: 'release' };
  return { do: 'unbind' };
}

export type Reclaim =
  /** Somebody else's, or nobody's, business. */
  | { readonly do: 'nothing' }
  | { readonly do: 'fail'; readonly reason: string; readonly message: string }
  | { readonly do: 'event'; readonly reason: string; readonly message: string };

/** What the reclaim policy asks of this controller, which has no storage of its own. */
export function reclaim(volume: PersistentVolume): Reclaim {
  const { name, annotations = {} } = volume.metadata;
  const { persistentVolumeReclaimPolicy: policy, hostPath } = volume.spec ?? {};
  switch (policy) {
    case 'Retain':
    case undefined:
      return { do: 'nothing' };
    case 'Delete': {
      const provisioner = annotations[provisionedBy];
      if (provisioner && !provisioner.startsWith('kubernetes.io/')) return { do: 'nothing' };
      if (hostPath && !/^\/tmp\/.+/.test(hostPath.path))
        return {
          do: 'fail',
          reason: 'VolumeFailedDelete',
          message: `host_path deleter only supports /tmp/.+ but received provided ${hostPath.path}`,
        };
      return {
        do: 'fail',
        reason: 'VolumeFailedDelete',
        message: `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`,
      };
    }
    case 'Recycle':
      return { do: 'fail', reason: 'VolumeFailedRecycle', message: 'No recycler plugin found for the volume!' };
    default:
      return {
        do: 'event',
        reason: 'VolumeUnknownReclaimPolicy',
        message: 'Volume has an unrecognized PersistentVolumeReclaimPolicy',
      };
  }
}
