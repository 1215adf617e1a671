import { join } from 'node:path';
import type { Container, Pod, Volume, VolumeMount } from '../api/type/core-v1.ts';
import type { Device, IDMapping, Mount, MountPropagation } from '../cri/type.ts';
import type { Host } from './host/host.ts';
import { hostNetworkHosts, managedHosts, type PodHostname } from './kernel/dns.ts';
import { ConfigError } from './kernel/env.ts';
import { expandStrict } from './kernel/expansion.ts';
import type { EnvPair } from './kernel/service-env.ts';
import type { PodPaths } from './pod-path.ts';
import type { SetUp } from './volume/volume.ts';

export interface MountInput {
  readonly host: Host;
  readonly paths: PodPaths;
  readonly pod: Pod;
  readonly container: Container;
  readonly volumes: ReadonlyMap<string, SetUp>;
  readonly env: readonly EnvPair[];
  readonly podIps: readonly string[];
  readonly hostname: PodHostname;
  /** The runtime can make mounts within a mount read-only as well. */
  readonly recursiveReadOnly: boolean;
  /** Of a pod with a user namespace of its own: whom the owners of a volume's files are to its containers. */
  readonly users: IDMapping | undefined;
  /** Names the termination log: never used before for this container. */
  readonly unique: string;
}

const propagation: Readonly<Record<string, MountPropagation>> = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
};

/** Everything the kubelet mounts into a container: volumes, /etc/hosts, the termination log. Rejects with ConfigError. */
export async function containerMounts(input: MountInput): Promise<readonly Mount[]> {
  const { container } = input;
  const out: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const made = await volumeMount(input, mount, index);
    if (made) out.push(made);
  }
  if (!out.some(m => m.container_path === '/etc/hosts')) out.push(await hostsMount(input));
  const log = await terminationLog(input);
  if (log && !out.some(m => m.container_path === log.container_path)) out.push(log);
  return out;
}

/** Volumes without a file system, which containers get as devices. Throws ConfigError. */
export function volumeDevices(container: Container, volumes: ReadonlyMap<string, SetUp>): readonly Device[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const setUp = volumes.get(name);
    if (!setUp?.devicePath)
      throw new ConfigError(`cannot find volume "${name}" to pass into container "${container.name}"`);
    return { container_path: devicePath, host_path: setUp.devicePath, permissions: setUp.readOnly ? 'r' : 'mrw' };
  });
}

async function volumeMount(input: MountInput, mount: VolumeMount, index: number): Promise<Mount | undefined> {
  const { pod, container, volumes } = input;
  const volume = pod.spec.volumes?.find(v => v.name === mount.name);
  const setUp = volumes.get(mount.name);
  if (!volume || !setUp)
    throw new ConfigError(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  const containerPath = mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`;
  const subPath = subPathOf(input, mount);
  if (volume.image) return imageMount(volume, containerPath, subPath);
  let hostPath = setUp.path ?? '';
  const readOnly = (mount.readOnly ?? false) || (setUp.readOnly ?? false);
  if (subPath) hostPath = await bindSubPath(input, volume, hostPath, subPath, index);
  return {
    container_path: containerPath,
    host_path: hostPath,
    readonly: readOnly,
    selinux_relabel: false,
    propagation: propagation[mount.mountPropagation ?? 'None'] ?? 'PROPAGATION_PRIVATE',
    ...(isRecursiveReadOnly(input, mount) ? { recursive_read_only: true } : {}),
    ...(input.users ? { uidMappings: [input.users], gidMappings: [input.users] } : {}),
  };
}

function isRecursiveReadOnly(input: MountInput, mount: VolumeMount): boolean {
  const { name, readOnly, mountPropagation = 'None', recursiveReadOnly = 'Disabled' } = mount;
  if (recursiveReadOnly === 'Disabled') return false;
  const requested = `volume ${JSON.stringify(name)} requested recursive read-only mode, but it is not`;
  if (!readOnly) throw new ConfigError(`${requested} read-only`);
  if (mountPropagation !== 'None')
    throw new ConfigError(`${requested} compatible with propagation ${JSON.stringify(mountPropagation)}`);
  if (recursiveReadOnly === 'Enabled' && !input.recursiveReadOnly)
    throw new ConfigError(`${requested} supported by the runtime`);
  return input.recursiveReadOnly;
}

function imageMount(volume: Volume, containerPath: string, subPath: string): Mount {
  return {
    container_path: containerPath,
    readonly: true,
    image: { image: volume.image?.reference ?? '', user_specified_image: volume.image?.reference ?? '' },
    ...(subPath ? { image_sub_path: subPath } : {}),
  };
}

function subPathOf({ env }: MountInput, mount: VolumeMount): string {
  if (!mount.subPathExpr) return mount.subPath ?? '';
  const values = new Map(env.map(e => [e.name, e.value]));
  const { value, missing } = expandStrict(mount.subPathExpr, name => values.get(name));
  if (missing.length) throw new ConfigError(`missing value for "${missing[0]}"`);
  if (value.startsWith('/')) throw new ConfigError(`error SubPath \`${value}\` must not be an absolute path`);
  if (value.split('/').includes('..')) throw new ConfigError("must not contain '..'");
  return value;
}

async function bindSubPath(
  { host, paths, pod, container }: MountInput,
  volume: Volume,
  path: string,
  subPath: string,
  index: number,
): Promise<string> {
  const info = await host.info(path);
  const target = paths.subPath(pod.metadata.uid ?? '', volume.name, container.name, index);
  try {
    return await host.bindSubPath(path, subPath, target, info?.mode ?? 0o755);
  } catch (error) {
    throw new ConfigError(
      `failed to prepare subPath for volumeMount "${volume.name}" of container "${container.name}"`,
      { cause: error },
    );
  }
}

async function hostsMount(input: MountInput): Promise<Mount> {
  const { host, paths, pod, container, podIps, hostname } = input;
  const uid = pod.metadata.uid ?? '';
  const path = paths.hosts(uid);
  const content = pod.spec.hostNetwork
    ? hostNetworkHosts(pod, (await host.readFile('/etc/hosts')) ?? '')
    : managedHosts(pod, podIps, hostname);
  await host.makeDirectory(paths.pod(uid), 0o750);
  if ((await host.readFile(path)) !== content) await host.writeFile(path, content, { mode: 0o644 });
  const s = container.securityContext;
  return {
    container_path: '/etc/hosts',
    host_path: path,
    readonly: s?.readOnlyRootFilesystem ?? false,
    selinux_relabel: true,
  };
}

async function terminationLog({ host, paths, pod, container, unique }: MountInput): Promise<Mount | undefined> {
  const containerPath = container.terminationMessagePath ?? '/dev/termination-log';
  if (!containerPath) return undefined;
  const dir = paths.container(pod.metadata.uid ?? '', container.name);
  await host.makeDirectory(dir, 0o755);
  const path = join(dir, unique);
  // Any user of the container may write to it.
  await host.writeFile(path, '', { mode: 0o666 });
  return { container_path: containerPath, host_path: path, readonly: false, selinux_relabel: true };
}
