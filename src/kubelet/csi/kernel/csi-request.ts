// What a driver is asked for, from the objects that describe a volume.
import { formatTime } from '../../../api/meta.ts';
import type { CSIPersistentVolumeSource, CSIVolumeSource, PersistentVolume, Pod } from '../../../api/type/core-v1.ts';
import type { CSIDriver } from '../../../api/type/storage-v1.ts';
import { nearNumber } from '../../../base/whole-number.ts';
import type { VolumeFigures } from '../../volume/volume.ts';
import type { AccessModeName, VolumeCapability, VolumeStats } from '../csi-type.ts';

/** One volume as a pod has it: of a PersistentVolume, or the pod's own. */
export interface CsiVolume {
  /** The PersistentVolume's name, or the pod's name for its own. */
  readonly name: string;
  readonly driver: string;
  readonly handle: string;
  readonly persistent?: { readonly volume: PersistentVolume; readonly source: CSIPersistentVolumeSource };
  readonly inline?: CSIVolumeSource;
  readonly readOnly: boolean;
  readonly block: boolean;
}

export interface DriverFeatures {
  readonly singleNodeMultiWriter: boolean;
  readonly mountGroup: boolean;
}

function accessMode(mode: string, { singleNodeMultiWriter }: DriverFeatures): AccessModeName {
  switch (mode) {
    case 'ReadOnlyMany':
      return 'MULTI_NODE_READER_ONLY';
    case 'ReadWriteMany':
      return 'MULTI_NODE_MULTI_WRITER';
    case 'ReadWriteOncePod':
      return singleNodeMultiWriter ? 'SINGLE_NODE_SINGLE_WRITER' : 'SINGLE_NODE_WRITER';
    default:
      return singleNodeMultiWriter ? 'SINGLE_NODE_MULTI_WRITER' : 'SINGLE_NODE_WRITER';
  }
}

export const fsTypeOf = ({ persistent, inline }: CsiVolume): string => (persistent?.source ?? inline)?.fsType ?? '';

/** What the volume is to be like; a driver that sets the group of files itself is told the pod's. */
export function capabilityOf(v: CsiVolume, features: DriverFeatures, fsGroup: number | undefined): VolumeCapability {
  const spec = v.persistent?.volume.spec;
  const access_mode = { mode: accessMode(spec?.accessModes?.[0] ?? 'ReadWriteOnce', features) };
  if (v.block) return { block: {}, access_mode };
  const group = features.mountGroup && fsGroup !== undefined ? String(fsGroup) : '';
  return {
    mount: { fs_type: fsTypeOf(v), mount_flags: spec?.mountOptions ?? [], volume_mount_group: group },
    access_mode,
  };
}

/** What the driver is told of the pod, where it wants to know. */
export function podInfo(pod: Pod, ephemeral: boolean): Readonly<Record<string, string>> {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  return {
    'csi.storage.k8s.io/pod.name': name,
    'csi.storage.k8s.io/pod.namespace': namespace,
    'csi.storage.k8s.io/pod.uid': uid,
    'csi.storage.k8s.io/serviceAccount.name': pod.spec.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': String(ephemeral),
  };
}

export interface Token {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** By audience, which may be ''. */
export function tokenText(tokens: Readonly<Record<string, Token>>): Readonly<Record<string, string>> {
  const out = Object.fromEntries(
    Object.entries(tokens)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([audience, t]) => [audience, { token: t.token, expirationTimestamp: formatTime(t.expiresAtMs) }]),
  );
  return { 'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(out) };
}

/** Whether the kubelet gives the volume's files to the pod's group. */
export function setsOwnership(v: CsiVolume, driver: CSIDriver | undefined, pod: Pod): boolean {
  if (nearNumber(pod.spec.securityContext?.fsGroup) === undefined || v.readOnly || v.block) return false;
  const policy = driver?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType';
  if (policy === 'None') return false;
  if (policy === 'File') return true;
  if (!fsTypeOf(v)) return false;
  if (v.inline) return true;
  return v.persistent?.volume.spec?.accessModes?.some(m => m === 'ReadWriteOnce' || m === 'ReadWriteOncePod') ?? false;
}

/** What a driver says of a volume's use. */
export function figuresOf({ usage, volume_condition }: VolumeStats): VolumeFigures {
  const of = (unit: string) => usage.find(u => u.unit === unit);
  const bytes = of('BYTES');
  const inodes = of('INODES');
  return {
    capacityBytes: bytes?.total ?? 0,
    availableBytes: bytes?.available ?? 0,
    usedBytes: bytes?.used ?? 0,
    inodes: inodes?.total ?? 0,
    inodesFree: inodes?.available ?? 0,
    inodesUsed: inodes?.used ?? 0,
    ...(volume_condition ? { abnormal: volume_condition.abnormal } : {}),
  };
}

/** Why the driver does not serve volumes of this kind; undefined when it does. */
export function lifecycleProblem(name: string, driver: CSIDriver | undefined, ephemeral: boolean): string | undefined {
  const mode = ephemeral ? 'Ephemeral' : 'Persistent';
  const not = `kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode "${mode}" not supported by driver ${name}`;
  if (!driver) return ephemeral ? `${not} (no CSIDriver object)` : undefined;
  const modes = driver.spec.volumeLifecycleModes ?? ['Persistent'];
  if (modes.includes(mode)) return undefined;
  return `${not} (only supports [${modes.map(m => JSON.stringify(m)).join(' ')}])`;
}
