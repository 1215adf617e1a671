// What is left of this machine, for eviction.
import type { ContainerRuntime } from '../../cri/runtime.ts';
import type { Host } from '../host/host.ts';
import type { Signals, Threshold } from '../kernel/eviction.ts';
import { availableMemory, pidUse } from './machine.ts';

export interface MachineSignalsOptions {
  readonly runtime: ContainerRuntime;
  readonly host: Host;
  /** A path on the node's file system. */
  readonly root: string;
  readonly memoryBytes: number;
  /** What nobody has a threshold for is not looked at. */
  readonly thresholds: readonly Threshold[];
}

/** Paths on the file systems of images and of containers' layers. */
interface RuntimePaths {
  readonly imagefs: string | undefined;
  readonly containerfs: string | undefined;
}

export class MachineSignals {
  readonly #o: MachineSignalsOptions;
  readonly #asksRuntime: boolean;
  #paths: RuntimePaths | undefined;

  constructor(options: MachineSignalsOptions) {
    this.#o = options;
    this.#asksRuntime = options.thresholds.some(
      ({ signal, value }) => /^(image|container)fs\./.test(signal) && Number.parseFloat(value) > 0,
    );
  }

  async read(): Promise<Signals> {
    const { root, memoryBytes } = this.#o;
    const pid = await pidUse();
    return {
      'memory.available': { available: await availableMemory(), capacity: memoryBytes },
      ...(await this.#disk('nodefs', root)),
      ...(await this.#runtimeDisks()),
      'pid.available': { available: pid.max - pid.used, capacity: pid.max },
    };
  }

  async #runtimeDisks(): Promise<Signals> {
    if (!this.#asksRuntime) return {};
    this.#paths ??= await this.#askRuntime();
    const { imagefs, containerfs } = this.#paths;
    return { ...(await this.#disk('imagefs', imagefs)), ...(await this.#disk('containerfs', containerfs)) };
  }

  async #askRuntime(): Promise<RuntimePaths> {
    const info = await this.#o.runtime.ImageFsInfo({});
    const imagefs = info.image_filesystems?.[0]?.fs_id?.mountpoint;
    return { imagefs, containerfs: info.container_filesystems?.[0]?.fs_id?.mountpoint ?? imagefs };
  }

  async #disk(name: string, path: string | undefined): Promise<Signals> {
    const disk = path ? await this.#o.host.disk(path) : undefined;
    if (!disk) return {};
    return {
      [`${name}.available`]: { available: disk.availableBytes, capacity: disk.capacityBytes },
      ...(disk.inodes ? { [`${name}.inodesFree`]: { available: disk.inodesFree, capacity: disk.inodes } } : {}),
    };
  }
}
