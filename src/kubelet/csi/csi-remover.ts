// CSI volumes on their way out of pods and off the node.
import { join } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import { VolumeError } from '../volume/volume-error.ts';
import type { CsiDriver } from './csi-client.ts';
import { type CsiContext, driverNotFound, removePublished } from './csi-context.ts';
import type { Device } from './csi-devices.ts';
import { dataFile } from './csi-path.ts';
import { parseVolumeData } from './kernel/csi-name.ts';

const firstRetryMs = 500;
const maxRetryMs = 122_000;

export class CsiRemover {
  readonly #c: CsiContext;
  #stopped = false;

  constructor(context: CsiContext) {
    this.#c = context;
  }

  stop(): void {
    this.#stopped = true;
    for (const device of this.#c.devices.all()) device.retry?.cancel();
  }

  /** A file system published for a pod. */
  async unpublish(podUid: string, name: string): Promise<void> {
    const { host, paths } = this.#c;
    const directory = join(paths.published(podUid), name);
    const data = parseVolumeData(await host.readFile(join(directory, dataFile)));
    const target = join(directory, 'mount');
    if (!data) {
      if (await host.isMountPoint(target)) throw new Error(`"${target}" is mounted and ${dataFile} is missing`);
      return removePublished(host, directory);
    }
    const unpublish = async () => {
      const driver = this.#driverOf(data.driverName, name, 'UnmountVolume.TearDown');
      await driver.node.NodeUnpublishVolume({
        volume_id: data.volumeHandle,
        target_path: driver.toDriver(target),
      });
      await removePublished(host, directory);
    };
    const device = this.#c.devices.get(data.driverName, data.volumeHandle);
    if (!device) return unpublish();
    await this.#c.devices.inTurn(device, unpublish);
    device.users.delete(podUid);
    this.free(device);
  }

  /** A device published for a pod. */
  async unmap(podUid: string, name: string): Promise<void> {
    const { host, paths } = this.#c;
    const link = join(paths.mapped(podUid), name);
    const device = this.#c.devices.all().find(d => d.block && d.name === name);
    if (device) {
      await this.#c.devices.inTurn(device, async () => {
        const driver = this.#driverOf(device.driver, name, 'UnmapVolume.UnmapPodDevice');
        const target = paths.blockPublish(name, podUid);
        await driver.node.NodeUnpublishVolume({ volume_id: device.handle, target_path: driver.toDriver(target) });
        await host.removeEmpty(target);
        await host.removeEmpty(join(target, '..')).catch(() => {});
      });
      device.users.delete(podUid);
    }
    await host.removeEmpty(link);
    if (device) this.free(device);
  }

  #driverOf(name: string, volume: string, operation: string): CsiDriver {
    const driver = this.#c.drivers.get(name);
    if (driver) return driver;
    const message = `kubernetes.io/csi: Unmounter.TearDownAt failed to get CSI client: ${driverNotFound(name)}`;
    throw new VolumeError(operation, volume, message);
  }

  /** Without users it is unstaged, if it is staged. */
  free(device: Device): void {
    if (device.users.size) return;
    if (device.staged) this.unstageSoon(device);
    else {
      this.#c.devices.forget(device);
      this.#c.inUseChanged();
    }
  }

  /** Again and again, until it is done or used. */
  unstageSoon(device: Device): void {
    device.retry?.cancel();
    device.retry = undefined;
    void this.#c.devices
      .inTurn(device, () => this.#unstage(device))
      .catch(error => {
        const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** device.failures++);
        const fields = { volume: device.name, driver: device.driver, error: messageOf(error), againMs: delayMs };
        this.#c.log.warn('unstaging a volume failed', fields);
        device.retry = this.#c.clock.after(delayMs, () => {
          if (!this.#stopped) this.unstageSoon(device);
        });
      });
  }

  async #unstage(device: Device): Promise<void> {
    const { host } = this.#c;
    if (device.users.size || !device.staged || this.#stopped) return;
    const driver = this.#driverOf(device.driver, device.name, 'UnmountDevice');
    const staging = this.#c.devices.staging(device);
    if (await driver.can('STAGE_UNSTAGE_VOLUME'))
      await driver.node.NodeUnstageVolume({
        volume_id: device.handle,
        staging_target_path: driver.toDriver(staging),
      });
    device.stagedNow = false;
    if (await host.isMountPoint(staging)) throw new Error(`"${staging}" is still mounted`);
    await host.removeEmpty(staging);
    const directory = this.#c.devices.directory(device);
    await host.removeEmpty(join(directory, dataFile));
    await host.removeEmpty(directory);
    if (device.block) await host.removeEmpty(join(directory, '..')).catch(() => {});
    device.staged = false;
    this.#c.devices.forget(device);
    this.#c.inUseChanged();
  }
}
