// Mounts of images for a containerd whose CRI overlooks them (before 2.1; paths within them before 2.2): its own snapshot service gives the content,
// the mount is made here, beside the socket, and what reaches the CRI is a mount of a directory.
import { mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findProgram, runProgram } from './command.ts';
import { type ContainerdVersion, containerdVersion, isAtLeast } from './containerd-version.ts';
import type { GrpcChannel, Method } from './grpc.ts';
import { isMountPoint } from './mount-point.ts';
import { compileMessages } from './protobuf.ts';
import { RuntimeError } from './runtime-error.ts';
import type { ContainerConfig, ImageService, Mount, RuntimeService } from './type.ts';

// containerd/services/snapshots/v1: only what we ask.
const string = (id: number) => ({ type: 'string', id });
const codec = compileMessages({
  Mount: {
    fields: { type: string(1), source: string(2), target: string(3), options: { rule: 'repeated', ...string(4) } },
  },
  ViewSnapshotRequest: {
    fields: { snapshotter: string(1), key: string(2), parent: string(3), labels: { keyType: 'string', ...string(4) } },
  },
  SnapshotRequest: { fields: { snapshotter: string(1), key: string(2) } },
  MountsResponse: { fields: { mounts: { rule: 'repeated', type: 'Mount', id: 1 } } },
  Empty: { fields: {} },
});

interface SnapshotMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}
interface SnapshotRequest {
  readonly snapshotter: string;
  readonly key: string;
}
type Mounts = { readonly mounts: readonly SnapshotMount[] };

const method = (name: string, request: string, response: string) => ({
  name,
  path: `/containerd.services.snapshots.v1.Snapshots/${name}`,
  request: codec(request),
  response: codec(response),
});
const view = method('View', 'ViewSnapshotRequest', 'MountsResponse') as Method<object, Mounts>;
const mountsOf = method('Mounts', 'SnapshotRequest', 'MountsResponse') as Method<SnapshotRequest, Mounts>;
const remove = method('Remove', 'SnapshotRequest', 'Empty') as Method<SnapshotRequest, object>;
const namespace = { 'containerd-namespace': 'k8s.io' };
const timeoutMs = 30_000;

/** Whether the CRI of this containerd makes such a mount itself: paths within an image it knows later than images. */
export const mountsImage = (version: ContainerdVersion, { image_sub_path }: Mount): boolean =>
  isAtLeast(version, 2, image_sub_path ? 2 : 1);

/** Where a node's images are mounted: beside its socket, which belongs to it alone. */
export const imageMountsDirectory = (socket: string): string => join(dirname(socket), 'image-volumes');

export class ImageMounts {
  readonly #services: RuntimeService & ImageService;
  readonly #channel: GrpcChannel;
  readonly #directory: string;
  #snapshotter: string | undefined;

  constructor(services: RuntimeService & ImageService, channel: GrpcChannel, socket: string) {
    this.#services = services;
    this.#channel = channel;
    this.#directory = imageMountsDirectory(socket);
  }

  /** The config with directories for images, where the runtime needs that; the very same one otherwise. */
  async resolve(sandboxId: string, config: ContainerConfig): Promise<ContainerConfig> {
    if (!config.mounts?.some(m => m.image?.image)) return config;
    const version = containerdVersion((await this.#services.Version({})).runtime_version ?? '');
    const isOurs = (m: Mount) => m.image?.image && !mountsImage(version, m);
    if (!config.mounts.some(isOurs)) return config;
    const mounts: Mount[] = [];
    for (const m of config.mounts) mounts.push(isOurs(m) ? await this.#replace(sandboxId, m) : m);
    return { ...config, mounts };
  }

  /** Takes away what was mounted for a sandbox; its containers are gone. */
  async release(sandboxId: string): Promise<void> {
    const at = join(this.#directory, sandboxId);
    const chains = await readdir(at).catch(() => []);
    if (!chains.length) return;
    const snapshotter = await this.#snapshotterName();
    for (const chain of chains) {
      if (isMountPoint(join(at, chain))) await runProgram(program('umount'), ['-l', join(at, chain)]);
      await this.#ask(remove, { snapshotter, key: keyOf(sandboxId, chain) }).catch(ignore('NotFound'));
    }
    await rm(at, { recursive: true, force: true });
  }

  async #replace(sandboxId: string, { image, image_sub_path: subPath, ...mount }: Mount): Promise<Mount> {
    const root = await this.#mounted(sandboxId, image?.image ?? '');
    const path = await realpath(subPath ? join(root, subPath) : root);
    if (path !== root && !path.startsWith(`${root}/`))
      throw new RuntimeError('CreateContainer', 'InvalidArgument', `sub path ${subPath} leaves image ${image?.image}`);
    return { ...mount, host_path: path, readonly: true };
  }

  async #mounted(sandboxId: string, image: string): Promise<string> {
    const { info } = await this.#services.ImageStatus({ image: { image }, verbose: true });
    const parent: string = JSON.parse(info?.info ?? '{}').chainID ?? '';
    if (!parent) throw new RuntimeError('CreateContainer', 'NotFound', `image ${image} not found`);
    const chain = parent.replace(/^sha256:/, '');
    const target = join(this.#directory, sandboxId, chain);
    if (isMountPoint(target)) return target;
    const [mount] = await this.#snapshot(keyOf(sandboxId, chain), parent);
    if (!mount) throw new RuntimeError('CreateContainer', 'Internal', `image ${image} has no content to mount`);
    await mkdir(target, { recursive: true });
    await runProgram(program('mount'), ['-t', mount.type, '-o', mount.options.join(','), mount.source, target]);
    return target;
  }

  async #snapshot(key: string, parent: string): Promise<readonly SnapshotMount[]> {
    const snapshotter = await this.#snapshotterName();
    // Without the label containerd's own collector would take it away.
    const labels = { 'containerd.io/gc.root': '1' };
    try {
      return (await this.#ask(view, { snapshotter, key, parent, labels })).mounts;
    } catch (error) {
      ignore('AlreadyExists')(error);
      return (await this.#ask(mountsOf, { snapshotter, key })).mounts;
    }
  }

  async #snapshotterName(): Promise<string> {
    if (this.#snapshotter === undefined) {
      const { info } = await this.#services.Status({ verbose: true });
      this.#snapshotter = (JSON.parse(info?.config ?? '{}').containerd?.snapshotter as string) ?? 'overlayfs';
    }
    return this.#snapshotter;
  }

  #ask<Q extends object, S extends object>(asked: Method<Q, S>, request: Q): Promise<S> {
    return this.#channel.unary(asked, request, undefined, timeoutMs, namespace);
  }
}

const keyOf = (sandboxId: string, chain: string) => `k8ts-image-volume-${sandboxId}-${chain}`;
const program = (name: string) => findProgram(name) ?? name;
const ignore = (codeName: string) => (error: unknown) => {
  if (!(error instanceof RuntimeError && error.codeName === codeName)) throw error;
};
