// With which SELinux labels pods use volumes, and which of them get in each other's way.
import type { Container, PersistentVolume, Pod, SELinuxOptions, Volume } from '../../../api/type/core-v1.ts';

export interface VolumeUse {
  /** `user:role:type:level`; '' where the pod says nothing, and the runtime takes one. */
  readonly label: string;
  /** Without a label nothing can be mounted with one. */
  readonly policy: 'MountOption' | 'Recursive';
}

export interface Conflict {
  readonly property: 'SELinuxLabel' | 'SELinuxChangePolicy';
  readonly own: string;
  readonly other: string;
}

const labelOf = ({ user = '', role = '', type = '', level = '' }: SELinuxOptions = {}): string => {
  const label = [user, role, type, level].join(':');
  return label === ':::' ? '' : label;
};

/** Labels of the containers that mount a volume, by the pod's name for it. */
export function labelsByVolume(pod: Pod): Map<string, Set<string>> {
  const { containers, initContainers = [], ephemeralContainers = [], securityContext } = pod.spec;
  const out = new Map<string, Set<string>>();
  for (const c of [...initContainers, ...containers, ...ephemeralContainers] as Container[]) {
    const label = labelOf(c.securityContext?.seLinuxOptions ?? securityContext?.seLinuxOptions);
    for (const { name } of c.volumeMounts ?? []) out.getOrInsertComputed(name, () => new Set()).add(label);
  }
  return out;
}

export function useOf(pod: Pod, label: string): VolumeUse {
  const policy = pod.spec.securityContext?.seLinuxChangePolicy === 'Recursive' || !label ? 'Recursive' : 'MountOption';
  return { label, policy };
}

/** What tells a volume from others, of those that may be mounted with a label. `mountsLabels`: of a CSI driver. */
export function volumeId(
  { csi, iscsi, fc }: Pick<PersistentVolume['spec'], 'csi' | 'iscsi' | 'fc'>,
  mountsLabels: (driver: string) => boolean,
): string | undefined {
  if (csi) return mountsLabels(csi.driver) ? `kubernetes.io/csi/${csi.driver}^${csi.volumeHandle}` : undefined;
  return targetId({ iscsi, fc });
}

/** Of a volume that the pod itself describes. */
export const inlineVolumeId = ({ iscsi, fc }: Volume): string | undefined => targetId({ iscsi, fc });

function targetId({ iscsi, fc }: { iscsi?: Volume['iscsi'] | undefined; fc?: Volume['fc'] | undefined }) {
  if (iscsi) return `kubernetes.io/iscsi/${iscsi.targetPortal}:${iscsi.iqn}:lun-${iscsi.lun}`;
  if (fc) return `kubernetes.io/fc/${fc.wwids?.length ? fc.wwids.join(',') : `${fc.targetWWNs?.join(',')}:${fc.lun}`}`;
  return undefined;
}

/** A part of a label that is left out may become anything on the node: it is in nobody's way. */
function labelsDiffer(a: string, b: string): boolean {
  const parts = (label: string) => {
    const [user = '', role = '', type = '', ...level] = label.split(':');
    return [user, role, type, level.join(':')];
  };
  const [mine, theirs] = [parts(a), parts(b)];
  return mine.some((part, i) => part !== '' && theirs[i] !== '' && part !== theirs[i]);
}

export function conflictOf(own: VolumeUse, other: VolumeUse): Conflict | undefined {
  if (own.policy !== other.policy) return { property: 'SELinuxChangePolicy', own: own.policy, other: other.policy };
  // Who relabels files takes labels as they come.
  if (own.policy === 'Recursive' || !labelsDiffer(own.label, other.label)) return undefined;
  return { property: 'SELinuxLabel', own: own.label, other: other.label };
}

/** Names of pods elsewhere are not told. */
export function conflictMessage({ property, own, other }: Conflict, otherName: string | undefined): string {
  const q = JSON.stringify;
  const end = 'If both pods land on the same node, only one of them may access the volume.';
  return otherName === undefined
    ? `${property} ${q(own)} conflicts with another pod that uses the same volume as this pod with a different ${property}. ${end}`
    : `${property} ${q(own)} conflicts with pod ${otherName} that uses the same volume as this pod with ${property} ${q(other)}. ${end}`;
}
