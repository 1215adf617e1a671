import { storageV1 } from '../../../api/refs.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action } from '../../cluster-event.ts';
import type { Handle, Plugin } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { skip, unschedulable } from '../../status.ts';
import { usesClaim } from './claim-hint.ts';
import { classOf, VolumeListers } from './volume-lister.ts';

const name = 'NodeVolumeLimits';
const tooMany = unschedulable(name, 'node(s) exceed max volume count');

/** How many volumes of a CSI driver a node can have attached. */
export function nodeVolumeLimits({ informers }: Handle): Plugin {
  const listers = new VolumeListers(informers);
  const csiNodes = informers.informer(storageV1.csinodes).lister;
  const attachments = informers.informer(storageV1.volumeattachments);
  attachments.addIndex('node', a => [a.spec.nodeName]);

  /** Volumes of CSI drivers that the pod uses, by a name that is the same for the same volume. */
  const collect = (pod: PodInfo, into: Map<string, string>) => {
    for (const claimName of pod.claims) {
      const claim = listers.claim(pod, claimName);
      if (!claim) continue;
      const csi = claim.spec.volumeName ? listers.volumes.get(claim.spec.volumeName)?.spec.csi : undefined;
      if (csi) into.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
      else {
        const provisioner = listers.classes.get(classOf(claim))?.provisioner;
        if (provisioner) into.set(`${provisioner}/${pod.namespace}/${claimName}`, provisioner);
      }
    }
  };

  const attached = (node: NodeInfo): Map<string, string> => {
    const all = new Map<string, string>();
    if (node.claims.size) for (const p of node.pods.values()) if (p.claims.length) collect(p, all);
    for (const a of attachments.lister.byIndex('node', node.name)) {
      const csi = listers.volumes.get(a.spec.source.persistentVolumeName ?? '')?.spec.csi;
      if (csi) all.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
    }
    return all;
  };

  /** Surely room: each claim is a volume at most, so they need not be looked at one by one. */
  const fewEnough = (pod: PodInfo, node: NodeInfo, limits: ReadonlyMap<string, number>): boolean => {
    const most = pod.claims.length + node.claims.size + attachments.lister.byIndex('node', node.name).length;
    for (const limit of limits.values()) if (most > limit) return false;
    return true;
  };

  return {
    name,
    preFilter: (_state, pod) => (pod.claims.length ? undefined : { status: skip }),
    filter(_state, pod, node) {
      const limits = new Map<string, number>();
      for (const d of csiNodes.get(node.name)?.spec.drivers ?? [])
        if (d.allocatable?.count !== undefined) limits.set(d.name, d.allocatable.count);
      if (limits.size === 0 || fewEnough(pod, node, limits)) return undefined;
      const wanted = new Map<string, string>();
      collect(pod, wanted);
      const there = attached(node);
      const counts = new Map<string, number>();
      for (const driver of there.values()) counts.set(driver, (counts.get(driver) ?? 0) + 1);
      for (const [volume, driver] of wanted) {
        if (there.has(volume)) continue;
        const count = (counts.get(driver) ?? 0) + 1;
        counts.set(driver, count);
        if (count > (limits.get(driver) ?? Number.POSITIVE_INFINITY)) return tooMany;
      }
      return undefined;
    },
    eventsToRegister: () => [
      { resource: 'CSINode', actions: action.add | action.update },
      { resource: 'AssignedPod', actions: action.delete },
      { resource: 'PersistentVolumeClaim', actions: action.add | action.update, hint: usesClaim },
      { resource: 'VolumeAttachment', actions: action.delete },
    ],
  };
}
