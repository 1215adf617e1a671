// Names that the kubelet gives to volumes of CSI drivers, and where they lie.

/** Fields of vol_data.json, beside each staged and each published volume: what a later kubelet knows them by. */
export interface VolumeData {
  readonly driverName: string;
  readonly volumeHandle: string;
  /** The PersistentVolume's name, or of an ephemeral volume the pod's own for it. */
  readonly specVolID?: string;
  readonly nodeName?: string;
  readonly attachmentID?: string;
  readonly volumeLifecycleMode?: string;
  /** Of staged ones, ours: 'true' where the node's status must tell that they are in use. */
  readonly attachable?: string;
}

/** As nodes list it in their status. */
export const uniqueVolumeName = (driver: string, handle: string): string => `kubernetes.io/csi/${driver}^${handle}`;

/** Undefined: not valid, whatever the file held. */
export function parseVolumeData(text: string | undefined): VolumeData | undefined {
  if (!text) return undefined;
  try {
    const data: unknown = JSON.parse(text);
    const { driverName, volumeHandle } = data as Partial<VolumeData>;
    return typeof driverName === 'string' && typeof volumeHandle === 'string' ? (data as VolumeData) : undefined;
  } catch {
    return undefined;
  }
}

/** Why none of the versions a driver offers can be used; undefined when one can. */
export function versionProblem(name: string, versions: readonly string[]): string | undefined {
  const prefix = `kubernetes.io/csi: RegisterPlugin for CSI driver "${name}" failed.`;
  if (!versions.length) return `${prefix} Plugin returned an empty list for supported versions`;
  const usable = versions.some(v => /^v?1(\.\d+)*$/.test(v.split(/[-+]/)[0] ?? ''));
  if (usable) return undefined;
  return `${prefix} None of the versions specified ${JSON.stringify(versions).replaceAll('","', '" "')} are supported. err=could not find a highest supported driver`;
}
