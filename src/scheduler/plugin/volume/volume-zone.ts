import type { PersistentVolume } from '../../../api/type/core-v1.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action } from '../../cluster-event.ts';
import type { CycleState, Handle, Plugin } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { skip, unresolvable } from '../../status.ts';
import { usesClaim } from './claim-hint.ts';
import { VolumeListers } from './volume-lister.ts';

const name = 'VolumeZone';
const stateKey = 'PreFilterVolumeZone';
const elsewhere = unresolvable(name, 'node(s) had no available volume zone');

const zone = 'topology.kubernetes.io/zone';
const region = 'topology.kubernetes.io/region';
/** Old names, and what they are called now. */
const renamed: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': zone,
  'failure-domain.beta.kubernetes.io/region': region,
};
const keys = [...Object.keys(renamed), zone, region];

interface Need {
  readonly key: string;
  readonly values: ReadonlySet<string>;
}

const needsOf = (volume: PersistentVolume): Need[] =>
  keys.flatMap(key => {
    const value = volume.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, values: new Set(value.split('__').map(v => v.trim())) }];
  });

const labelOf = (node: NodeInfo, key: string) => node.labels[key] ?? node.labels[renamed[key] ?? ''];

/** Keeps pods in the zones of their bound volumes. */
export function volumeZone({ informers }: Handle): Plugin {
  const listers = new VolumeListers(informers);
  return {
    name,
    preFilter(state: CycleState, pod: PodInfo) {
      const needs: Need[] = [];
      for (const claimName of pod.claims) {
        const claim = listers.claim(pod, claimName);
        if (!claim) return { status: unresolvable(name, `persistentvolumeclaim "${claimName}" not found`) };
        const { volumeName } = claim.spec;
        if (!volumeName) {
          if (listers.waitsForConsumer(claim)) continue;
          return { status: unresolvable(name, 'PersistentVolume had no name') };
        }
        const volume = listers.volumes.get(volumeName);
        if (!volume) return { status: unresolvable(name, `persistentvolume "${volumeName}" not found`) };
        needs.push(...needsOf(volume));
      }
      if (needs.length === 0) return { status: skip };
      state.write(stateKey, needs);
      return undefined;
    },
    filter(state: CycleState, _pod: PodInfo, node: NodeInfo) {
      // A node outside of all zones, in a cluster of one zone perhaps.
      if (!keys.some(k => node.labels[k] !== undefined)) return undefined;
      for (const { key, values } of state.read<Need[]>(stateKey) ?? []) {
        const value = labelOf(node, key);
        if (value === undefined || !values.has(value)) return elsewhere;
      }
      return undefined;
    },
    eventsToRegister: () => [
      { resource: 'StorageClass', actions: action.add },
      { resource: 'Node', actions: action.add | action.updateNodeLabel },
      { resource: 'PersistentVolumeClaim', actions: action.add | action.update, hint: usesClaim },
      { resource: 'PersistentVolume', actions: action.add | action.update },
    ],
  };
}
