import type { Pod, Volume } from '../../api/type/core-v1.ts';

/** How full a volume is. */
export interface VolumeFigures {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
  readonly inodesUsed: number;
  /** What its driver says of its health, where it does. */
  readonly abnormal?: boolean;
}

/** A device that has a link below a pod's directory. */
export interface MappedVolume {
  readonly volume: string;
  readonly path: string;
}

export interface SetUp {
  /** What is mounted into containers; absent for volumes that are not a path of the host (image volumes). */
  readonly path?: string;
  /** Of a volume without a file system: what containers get as their device. */
  readonly devicePath?: string;
  /** Just now, as the pod is to be told. */
  readonly mapped?: MappedVolume;
  /** The volume is the pod's own and its files get the pod's fsGroup. */
  readonly managesOwnership?: boolean;
  readonly readOnly?: boolean;
  /** Groups its files belong to, for every container that uses it. */
  readonly groups?: readonly number[];
  /** Call update again no later. */
  readonly refreshAtMs?: number;
  /** Absent: those of the file system at `path`. */
  readonly stats?: () => Promise<VolumeFigures | undefined>;
  /** In place of the plugin's own. */
  readonly update?: () => Promise<SetUp>;
}

/** One kind of volume. Everything may be called again for what is already set up, also after a restart. */
export interface VolumePlugin {
  /** As in directory names: kubernetes.io/empty-dir. */
  readonly name: string;
  canHandle(volume: Volume): boolean;
  /** Whether setUp would find what it needs, told sooner than by setting up. Rejects like setUp. */
  check?(pod: Pod, volume: Volume): Promise<unknown>;
  /** Makes the volume below `dir`, or says where it is. Rejects with Kubernetes' message while that is not possible. */
  setUp(pod: Pod, volume: Volume, dir: string): Promise<SetUp>;
  /** Brings contents up to date for running containers. */
  update?(pod: Pod, volume: Volume, dir: string): Promise<SetUp>;
  /** Absent: what lies in `dir` is removed. */
  tearDown?(dir: string): Promise<void>;
  /** In place of it, for all volumes of a pod, wherever they lie. */
  tearDownPod?(podUid: string): Promise<void>;
}

export const escapePluginName = (name: string) => name.replaceAll('/', '~');
