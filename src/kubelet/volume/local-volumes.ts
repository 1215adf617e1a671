// emptyDir, hostPath, image, and claims, whose volumes may be hostPath, local or a driver's.

import { nodeSelectorMatches } from '../../api/node-affinity.ts';
import { coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type {
  HostPathVolumeSource,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from '../../api/type/core-v1.ts';
import type { Client } from '../../client/client.ts';
import type { ClaimedCsi } from '../csi/csi-plugins.ts';
import type { Host } from '../host/host.ts';
import { bytesOf } from '../kernel/amount.ts';
import { podTotal } from '../kernel/qos.ts';
import type { KubeletRoot } from '../plugin/kubelet-root.ts';
import type { SetUp, VolumePlugin } from './volume.ts';
import { VolumeError } from './volume-error.ts';

export function emptyDirPlugin(host: Host, memoryBytes: number): VolumePlugin {
  return {
    name: 'kubernetes.io/empty-dir',
    canHandle: v => !!v.emptyDir,
    check: async () => {},
    async setUp(pod, volume, dir) {
      const source = volume.emptyDir!;
      if (!(await host.info(dir))) await host.makeDirectory(dir, 0o777);
      if (source.medium === 'Memory' && !(await host.isMountPoint(dir))) {
        await host.mountTmpfs(dir, tmpfsSize(pod, source.sizeLimit, memoryBytes));
      } else if (source.medium?.startsWith('HugePages')) {
        const pageBytes = hugePageBytes(pod, source.medium);
        if (!(await host.isMountPoint(dir))) await host.mountHugePages(dir, pageBytes);
      }
      return { path: dir, managesOwnership: true };
    },
    async tearDown(dir) {
      await host.remove(dir);
    },
  };
}

/** The size of the medium's pages: named, or the one size that the pod asks for. */
function hugePageBytes({ spec }: Pod, medium: string): number {
  const prefix = 'hugepages-';
  const asking = [spec, ...spec.containers, ...(spec.initContainers ?? [])].map(c => c.resources);
  const names = asking.flatMap(r => [...Object.keys(r?.limits ?? {}), ...Object.keys(r?.requests ?? {})]);
  const sizes = new Set(names.filter(n => n.startsWith(prefix)).map(n => bytesOf(n.slice(prefix.length))));
  const named = /^HugePages-(.+)$/.exec(medium)?.[1];
  if (named === undefined) {
    const [only] = sizes;
    if (only !== undefined && sizes.size === 1) return only;
    throw new Error(
      `medium ${medium} can only be used if the pod asks for huge pages of one size, not of ${sizes.size}`,
    );
  }
  if (sizes.has(bytesOf(named))) return bytesOf(named);
  throw new Error(`medium ${medium} can only be used if the pod asks for huge pages of that size`);
}

/** The smallest of the machine's memory, the pod's limit and sizeLimit. */
function tmpfsSize(pod: Pod, sizeLimit: string | undefined, memoryBytes: number): number | undefined {
  const limited = pod.spec.containers.every(c => c.resources?.limits?.memory) || pod.spec.resources?.limits?.memory;
  const sizes = [memoryBytes, limited ? podTotal(pod.spec, 'limits', 'memory') : 0, bytesOf(sizeLimit)].filter(
    n => n > 0,
  );
  return sizes.length ? Math.min(...sizes) : undefined;
}

const kindNames: Readonly<Record<string, readonly [kind: string, text: string]>> = {
  Directory: ['directory', 'is not a directory'],
  DirectoryOrCreate: ['directory', 'is not a directory'],
  File: ['file', 'is not a file'],
  FileOrCreate: ['file', 'is not a file'],
  Socket: ['socket', 'is not a socket file'],
  CharDevice: ['char', 'is not a character device'],
  BlockDevice: ['block', 'is not a block device'],
};

async function checkHostPath(host: Host, source: HostPathVolumeSource): Promise<void> {
  const { path, type } = source;
  if (!type) return;
  if (type === 'DirectoryOrCreate' && !(await host.info(path))) await host.makeDirectory(path, 0o755);
  if (type === 'FileOrCreate' && !(await host.info(path))) await host.writeFile(path, '', { mode: 0o644 });
  const wanted = kindNames[type];
  if (!wanted) throw new Error(`${type} is an invalid volume type`);
  const info = await host.info(path);
  if (info?.kind !== wanted[0]) throw new Error(`hostPath type check failed: ${path} ${wanted[1]}`);
}

/** The usual directory of a kubelet means this kubelet's. */
export function hostPathPlugin(host: Host, root: KubeletRoot): VolumePlugin {
  return {
    name: 'kubernetes.io/host-path',
    canHandle: v => !!v.hostPath,
    async setUp(_pod, volume) {
      const source = { ...volume.hostPath!, path: root.toHost(volume.hostPath!.path) };
      await checkHostPath(host, source);
      return { path: source.path };
    },
    async tearDown() {},
  };
}

/** The runtime mounts images itself; nothing is made here. */
export const imageVolumePlugin: VolumePlugin = {
  name: 'kubernetes.io/image',
  canHandle: v => !!v.image,
  async setUp() {
    return {};
  },
  async tearDown() {},
};

/** `node`: as it is now; undefined while that is not known. */
export function claimPlugin(client: Client, host: Host, csi: ClaimedCsi, node: () => Node | undefined): VolumePlugin {
  return {
    name: 'kubernetes.io/persistent-volume-claim',
    canHandle: v => !!v.persistentVolumeClaim || !!v.ephemeral,
    async setUp(pod, volume): Promise<SetUp> {
      const { claim, volume: volumeOf } = await boundVolume(client, pod, volume);
      const { spec } = volumeOf;
      checkPlace(volumeOf, node());
      checkMode(pod, volume.name, spec?.volumeMode ?? 'Filesystem');
      const groups = [volumeOf.metadata.annotations?.['pv.beta.kubernetes.io/gid']].filter(g => g).map(Number);
      const readOnly = volume.persistentVolumeClaim?.readOnly ?? false;
      if (spec?.hostPath) {
        await checkHostPath(host, spec.hostPath);
        return { path: spec.hostPath.path, readOnly, groups };
      }
      if (spec?.local) {
        const info = await host.info(spec.local.path);
        if (!info) throw new Error(`path "${spec.local.path}" does not exist`);
        if (spec.volumeMode === 'Block') return { devicePath: spec.local.path, readOnly, groups };
        return { path: spec.local.path, readOnly, groups, managesOwnership: !readOnly };
      }
      if (spec?.csi) return csi.setUp(pod, claim, volumeOf, readOnly);
      throw new Error('no volume plugin matched');
    },
    async tearDown() {},
  };
}

/** A pod may have come here past the scheduler. */
function checkPlace({ metadata, spec }: PersistentVolume, node: Node | undefined): void {
  const required = spec?.nodeAffinity?.required;
  if (!required || !node || nodeSelectorMatches(required, node)) return;
  const operation = spec.volumeMode === 'Block' ? 'MapVolume' : 'MountVolume';
  throw new VolumeError(`${operation}.NodeAffinity check`, metadata.name ?? '', 'no matching NodeSelectorTerms');
}

/** Containers mount file systems and get devices, each as what it is. */
function checkMode({ spec }: Pod, name: string, mode: string): void {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const isMounted = containers.some(c => c.volumeMounts?.some(m => m.name === name));
  const isDevice = containers.some(c => c.volumeDevices?.some(d => d.name === name));
  if (isMounted && mode === 'Block')
    throw new Error(`volume ${name} has volumeMode Block, but is specified in volumeMounts`);
  if (isDevice && mode !== 'Block')
    throw new Error(`volume ${name} has volumeMode Filesystem, but is specified in volumeDevices`);
}

async function boundVolume(
  client: Client,
  pod: Pod,
  volume: Volume,
): Promise<{ readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }> {
  const namespace = pod.metadata.namespace ?? '';
  const name = volume.persistentVolumeClaim?.claimName ?? `${pod.metadata.name}-${volume.name}`;
  let claim: PersistentVolumeClaim;
  try {
    claim = await client.get(coreV1.persistentvolumeclaims, { namespace, name });
  } catch (error) {
    throw isNotFound(error)
      ? new Error(`error getting PVC ${namespace}/${name}: persistentvolumeclaims "${name}" not found`, {
          cause: error,
        })
      : error;
  }
  if (volume.ephemeral && !claim.metadata.ownerReferences?.some(o => o.uid === pod.metadata.uid))
    throw new Error(
      `PVC ${namespace}/${name} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
    );
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !volumeName)
    throw new Error(
      `PVC ${namespace}/${name} has non-bound phase ("${claim.status?.phase ?? ''}") or empty pvc.Spec.VolumeName ("${volumeName ?? ''}")`,
    );
  if (claim.metadata.deletionTimestamp) throw new Error('PVC is being deleted');
  const found = await client.get(coreV1.persistentvolumes, { name: volumeName });
  const ref = found.spec?.claimRef;
  if (ref?.uid !== claim.metadata.uid)
    throw new Error(
      `PV ${volumeName} spec.ClaimRef.UID ${ref?.uid ?? ''} does not match PVC UID ${claim.metadata.uid}`,
    );
  return { claim, volume: found };
}
