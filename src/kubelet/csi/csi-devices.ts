// Volumes of drivers on this node, each staged once for all its pods; what there is outlives the kubelet in vol_data.json.
import { join } from 'node:path';
import type { Timer } from '../../base/clock.ts';
import type { Host } from '../host/host.ts';
import { type CsiPaths, dataFile } from './csi-path.ts';
import { parseVolumeData, uniqueVolumeName, type VolumeData } from './kernel/csi-name.ts';

export interface Device {
  readonly driver: string;
  readonly handle: string;
  /** The PersistentVolume's name. */
  readonly name: string;
  readonly block: boolean;
  /** Uids of pods it is published for, or being so. */
  readonly users: Set<string>;
  /** It must be attached to the node, whose status tells that it is in use. */
  attachable: boolean;
  /** It has its directory. */
  staged: boolean;
  /** The driver has been asked to stage it in this kubelet's life. */
  stagedNow: boolean;
  failures: number;
  /** Of unstaging. */
  retry: Timer | undefined;
  /** The end of the last step: steps of one volume never overlap. */
  turn: Promise<unknown>;
}

export class CsiDevices {
  readonly #host: Host;
  readonly #paths: CsiPaths;
  readonly #devices = new Map<string, Device>();

  constructor(host: Host, paths: CsiPaths) {
    this.#host = host;
    this.#paths = paths;
  }

  get(driver: string, handle: string): Device | undefined {
    return this.#devices.get(uniqueVolumeName(driver, handle));
  }

  all(): readonly Device[] {
    return [...this.#devices.values()];
  }

  ensure(driver: string, handle: string, name: string, block: boolean): Device {
    return this.#devices.getOrInsertComputed(uniqueVolumeName(driver, handle), () => ({
      ...{ driver, handle, name, block, users: new Set<string>(), attachable: false, staged: false },
      ...{ stagedNow: false, failures: 0, retry: undefined, turn: Promise.resolve() },
    }));
  }

  forget(device: Device): void {
    const key = uniqueVolumeName(device.driver, device.handle);
    if (this.#devices.get(key) === device) this.#devices.delete(key);
  }

  /** Sorted, as the node's status has them. */
  inUse(): readonly string[] {
    return this.all()
      .filter(d => d.attachable && (d.users.size > 0 || d.staged))
      .map(d => uniqueVolumeName(d.driver, d.handle))
      .sort();
  }

  inTurn<T>(device: Device, step: () => Promise<T>): Promise<T> {
    const result = device.turn.then(step, step);
    device.turn = result.catch(() => {});
    return result;
  }

  directory(d: Device): string {
    return d.block ? this.#paths.blockData(d.name) : this.#paths.device(d.driver, d.handle);
  }

  staging(d: Device): string {
    return d.block ? this.#paths.blockStaging(d.name) : join(this.directory(d), 'globalmount');
  }

  async keepData(d: Device): Promise<void> {
    const data: VolumeData = {
      driverName: d.driver,
      volumeHandle: d.handle,
      specVolID: d.name,
      attachable: String(d.attachable),
    };
    await this.#host.makeDirectory(this.directory(d), 0o750);
    await this.#host.writeFile(join(this.directory(d), dataFile), JSON.stringify(data), { mode: 0o600 });
    d.staged = true;
  }

  /** What a former kubelet left behind. */
  async restore(): Promise<void> {
    const host = this.#host;
    const paths = this.#paths;
    for (const driver of await host.list(paths.base)) {
      if (driver === 'volumeDevices') continue;
      for (const hash of await host.list(join(paths.base, driver)))
        await this.#restoreDevice(join(paths.base, driver, hash), false);
    }
    for (const volume of await host.list(paths.blockBase))
      if (volume !== 'staging' && volume !== 'publish') await this.#restoreDevice(paths.blockData(volume), true);
    for (const pod of await host.list(paths.pods)) {
      for (const volume of await host.list(paths.published(pod))) {
        const data = parseVolumeData(await host.readFile(join(paths.published(pod), volume, dataFile)));
        if (data && data.volumeLifecycleMode !== 'Ephemeral')
          this.ensure(data.driverName, data.volumeHandle, volume, false).users.add(pod);
      }
      for (const volume of await host.list(paths.mapped(pod)))
        this.all()
          .find(d => d.block && d.name === volume)
          ?.users.add(pod);
    }
  }

  async #restoreDevice(directory: string, block: boolean): Promise<void> {
    const data = parseVolumeData(await this.#host.readFile(join(directory, dataFile)));
    if (!data) return;
    const device = this.ensure(data.driverName, data.volumeHandle, data.specVolID ?? '', block);
    device.staged = true;
    device.attachable = data.attachable === 'true';
  }
}
