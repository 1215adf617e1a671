// What to do next about a claim.
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { StorageClass } from '../../../api/type/storage-v1.ts';
import { bestVolume, claimClass, hasClass, isBoundTo, mismatch } from './volume-match.ts';

export const bindCompleted = 'pv.kubernetes.io/bind-completed';
export const boundByController = 'pv.kubernetes.io/bound-by-controller';
export const provisionedBy = 'pv.kubernetes.io/provisioned-by';
export const provisionerAnnotations = [
  'volume.beta.kubernetes.io/storage-provisioner',
  'volume.kubernetes.io/storage-provisioner',
];
const selectedNode = 'volume.kubernetes.io/selected-node';
const defaultClassAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

export interface StepEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export type ClaimStep =
  | { readonly do: 'bind'; readonly volume: PersistentVolume }
  | { readonly do: 'wait'; readonly event?: StepEvent }
  | { readonly do: 'lose'; readonly event: StepEvent }
  | { readonly do: 'assignClass'; readonly name: string }
  /** Somebody outside is to make a volume. */
  | { readonly do: 'provision'; readonly provisioner: string; readonly event: StepEvent }
  /** Nothing can be done and nothing is to be written but the event. */
  | { readonly do: 'fail'; readonly event: StepEvent };

export interface ClaimSurroundings {
  readonly volumes: readonly PersistentVolume[];
  readonly classes: readonly StorageClass[];
  /** Names of pods that use the claim and have no node. */
  waitingPods(): readonly string[];
}

export function claimStep(claim: PersistentVolumeClaim, around: ClaimSurroundings): ClaimStep {
  if (bindCompleted in (claim.metadata.annotations ?? {})) return boundStep(claim, around.volumes);
  return claim.spec?.volumeName ? namedStep(claim, around.volumes) : openStep(claim, around);
}

/** It was bound once: whatever is amiss now, no other volume is to take the place. */
function boundStep(claim: PersistentVolumeClaim, volumes: readonly PersistentVolume[]): ClaimStep {
  const lose = (reason: string, message: string): ClaimStep => ({
    do: 'lose',
    event: { type: 'Warning', reason, message },
  });
  const name = claim.spec?.volumeName;
  if (!name)
    return lose('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  const volume = volumes.find(v => v.metadata.name === name);
  if (!volume) return lose('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  const ref = volume.spec?.claimRef;
  if (!ref || ref.uid === claim.metadata.uid) return { do: 'bind', volume };
  return lose('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

/** It asks for one volume by name. */
function namedStep(claim: PersistentVolumeClaim, volumes: readonly PersistentVolume[]): ClaimStep {
  const name = claim.spec!.volumeName!;
  const volume = volumes.find(v => v.metadata.name === name);
  if (!volume) return { do: 'wait' };
  if (!volume.spec?.claimRef) {
    const why = mismatch(volume, claim);
    if (why === undefined) return { do: 'bind', volume };
    const message = `Cannot bind to requested volume "${name}": ${why}`;
    return { do: 'wait', event: { type: 'Warning', reason: 'VolumeMismatch', message } };
  }
  if (isBoundTo(volume, claim)) return { do: 'bind', volume };
  const message = `volume "${name}" already bound to a different claim.`;
  return { do: 'wait', event: { type: 'Warning', reason: 'FailedBinding', message } };
}

function openStep(claim: PersistentVolumeClaim, { volumes, classes, waitingPods }: ClaimSurroundings): ClaimStep {
  const name = claimClass(claim);
  const storageClass = classes.find(c => c.metadata.name === name);
  const delayed =
    storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && !(selectedNode in (claim.metadata.annotations ?? {}));
  const volume = bestVolume(volumes, claim, delayed);
  if (volume) return { do: 'bind', volume };
  if (!hasClass(claim)) {
    const fallback = defaultClass(classes);
    if (fallback) return { do: 'assignClass', name: fallback.metadata.name };
  }
  if (delayed) return { do: 'wait', event: consumerEvent(waitingPods()) };
  if (name !== '') return provisionStep(name, storageClass);
  const message = 'no persistent volumes available for this claim and no storage class is set';
  return { do: 'wait', event: { type: 'Normal', reason: 'FailedBinding', message } };
}

function consumerEvent(pods: readonly string[]): StepEvent {
  if (pods.length === 0)
    return {
      type: 'Normal',
      reason: 'WaitForFirstConsumer',
      message: 'waiting for first consumer to be created before binding',
    };
  const message = `waiting for pod${pods.length > 1 ? 's' : ''} ${pods.join(',')} to be scheduled`;
  return { type: 'Normal', reason: 'WaitForPodScheduled', message };
}

// Provisioners that were built in once, by what drivers took over from them.
const successors: Readonly<Record<string, string>> = {
  'kubernetes.io/aws-ebs': 'ebs.csi.aws.com',
  'kubernetes.io/azure-disk': 'disk.csi.azure.com',
  'kubernetes.io/azure-file': 'file.csi.azure.com',
  'kubernetes.io/cinder': 'cinder.csi.openstack.org',
  'kubernetes.io/gce-pd': 'pd.csi.storage.gke.io',
  'kubernetes.io/portworx-volume': 'pxd.portworx.com',
  'kubernetes.io/vsphere-volume': 'csi.vsphere.vmware.com',
};

function provisionStep(name: string, storageClass: StorageClass | undefined): ClaimStep {
  const fail = (message: string): ClaimStep => ({
    do: 'fail',
    event: { type: 'Warning', reason: 'ProvisioningFailed', message },
  });
  if (!storageClass) return fail(`storageclass.storage.k8s.io "${name}" not found`);
  const provisioner = successors[storageClass.provisioner] ?? storageClass.provisioner;
  // The others of that name are gone.
  if (provisioner.startsWith('kubernetes.io/')) return fail(`no volume plugin matched name: ${provisioner}`);
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { do: 'provision', provisioner, event: { type: 'Normal', reason: 'ExternalProvisioning', message } };
}

/** Of several the newest; of equally old ones the first by name. */
export function defaultClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const created = (c: StorageClass) => c.metadata.creationTimestamp ?? '';
  return classes
    .filter(c => defaultClassAnnotations.some(a => c.metadata.annotations?.[a] === 'true'))
    .toSorted((a, b) =>
      created(a) !== created(b) ? (created(a) > created(b) ? -1 : 1) : a.metadata.name < b.metadata.name ? -1 : 1,
    )[0];
}
