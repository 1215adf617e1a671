// persistentvolume-attach-detach-controller: has volumes of CSI drivers attached to the nodes whose pods need them, by
// VolumeAttachments, which the drivers carry out. Keys are names of nodes.
import { keyOf } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import type { CSIDriver, VolumeAttachment } from '../../api/type/storage-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { isNodeReady } from '../kernel/node.ts';
import { claimKeysOf } from '../kernel/pod-claim.ts';
import { attachmentsByVolume, volumeOf } from './attachment.ts';
import { isManaged, keepsTerminatedVolumes } from './kernel/attachable.ts';
import { NodeVolumes } from './node-volumes.ts';

export interface AttachDetachOptions {
  /** How long a node that is not ready may keep volumes it says it uses. Default 6 minutes; undefined: for ever. */
  readonly maxWaitForUnmountMs?: number | undefined;
}

const podsByNode = 'attachdetach/node';
const podsByClaim = 'attachdetach/claim';
const attachmentsByNode = 'attachdetach/node';

export function attachDetachController(options: AttachDetachOptions = {}): Controller {
  const maxWaitMs = 'maxWaitForUnmountMs' in options ? options.maxWaitForUnmountMs : 360_000;
  return {
    name: 'persistentvolume-attach-detach-controller',
    serviceAccount: 'attachdetach-controller',
    component: 'attachdetach-controller',
    watches: [
      {
        resource: coreV1.nodes,
        keys: (node: Node, old, _context, deleted) =>
          deleted || !old || nodeFacts(node) !== nodeFacts(old) ? [node.metadata.name] : [],
      },
      {
        resource: coreV1.pods,
        keys: nodeWithVolumes,
      },
      {
        resource: coreV1.persistentvolumeclaims,
        keys: (claim: PersistentVolumeClaim, _old, context) => nodesOfClaim(keyOf(claim), context),
      },
      {
        resource: coreV1.persistentvolumes,
        keys: (volume: PersistentVolume, _old, context) => nodesWaitingFor(volume, context),
      },
      {
        resource: storageV1.volumeattachments,
        // Other nodes may wait for it to go.
        keys: (attachment: VolumeAttachment, _old, context, deleted) => {
          const volume = deleted && context.lister(coreV1.persistentvolumes).get(volumeOf(attachment));
          return [attachment.spec.nodeName, ...(volume ? nodesWaitingFor(volume, context) : [])];
        },
      },
      {
        resource: storageV1.csidrivers,
        keys: (_driver: CSIDriver, _old, { lister }) =>
          lister(coreV1.nodes)
            .list()
            .filter(isManaged)
            .map(n => n.metadata.name),
      },
    ],
    indexes: [
      { resource: coreV1.pods, name: podsByNode, values: nodeWithVolumes },
      { resource: coreV1.pods, name: podsByClaim, values: (p: Pod) => (p.spec?.nodeName ? claimKeysOf(p) : []) },
      {
        resource: storageV1.volumeattachments,
        name: attachmentsByNode,
        values: (a: VolumeAttachment) => [a.spec.nodeName],
      },
      {
        resource: storageV1.volumeattachments,
        name: attachmentsByVolume,
        values: (a: VolumeAttachment) => [volumeOf(a)],
      },
    ],
    writes: ['volumeattachments', 'nodes/status', 'events'],
    create: context =>
      new NodeVolumes(context, {
        maxWaitMs,
        podsOn: node => context.lister(coreV1.pods).byIndex(podsByNode, node),
        podsWith: volume => podsWith(volume, context),
        attachmentsOf: node => context.lister(storageV1.volumeattachments).byIndex(attachmentsByNode, node),
      }),
  };
}

/** What of a node decides; heartbeats are many. */
const nodeFacts = (node: Node): string =>
  JSON.stringify([
    isManaged(node),
    isNodeReady(node),
    node.metadata.annotations?.[keepsTerminatedVolumes],
    node.spec?.taints,
    node.status?.volumesInUse,
    node.status?.volumesAttached,
  ]);

const nodeWithVolumes = (pod: Pod): string[] =>
  pod.spec?.nodeName && claimKeysOf(pod).length > 0 ? [pod.spec.nodeName] : [];

const nodesOfClaim = (key: string, { lister }: ControllerContext): string[] => [
  ...new Set(
    lister(coreV1.pods)
      .byIndex(podsByClaim, key)
      .map(p => p.spec!.nodeName!),
  ),
];

function podsWith({ spec }: PersistentVolume, { lister }: ControllerContext): readonly Pod[] {
  if (!spec?.claimRef) return [];
  return lister(coreV1.pods).byIndex(podsByClaim, `${spec.claimRef.namespace}/${spec.claimRef.name}`);
}

const nodesWaitingFor = ({ spec }: PersistentVolume, context: ControllerContext): string[] =>
  spec?.csi && spec.claimRef ? nodesOfClaim(`${spec.claimRef.namespace}/${spec.claimRef.name}`, context) : [];
