// Volumes of CSI drivers: into pods, kept, and out again.
import type { PersistentVolume, Pod } from '../../api/type/core-v1.ts';
import { must } from '../../base/assert.ts';
import type { SetUp, VolumeFigures } from '../volume/volume.ts';
import type { CsiDriver } from './csi-client.ts';
import { type CsiContext, type CsiVolumesOptions, publishedPath } from './csi-context.ts';
import { CsiDevices } from './csi-devices.ts';
import { CsiFigures, stagingPath } from './csi-figures.ts';
import { ephemeralHandle } from './csi-path.ts';
import { CsiPublisher, republishMs, setUpOf, type Texts } from './csi-publisher.ts';
import { CsiRemover } from './csi-remover.ts';
import type { CsiVolume } from './kernel/csi-request.ts';

export class CsiVolumes {
  readonly #c: CsiContext;
  readonly #publisher: CsiPublisher;
  readonly #remover: CsiRemover;
  readonly #figures: CsiFigures;
  /** `uid/volume`: a step was tried in this kubelet's life, so that what lies there says nothing. */
  readonly #tried = new Set<string>();
  #restored = false;

  constructor(options: CsiVolumesOptions) {
    this.#c = { ...options, devices: new CsiDevices(options.host, options.paths), waiting: new Set() };
    this.#publisher = new CsiPublisher(this.#c);
    this.#remover = new CsiRemover(this.#c);
    this.#figures = new CsiFigures(this.#c);
  }

  /** Looks at what a former kubelet left; before anything else is asked. */
  async restore(): Promise<void> {
    await this.#c.devices.restore();
    this.#restored = true;
    for (const device of this.#c.devices.all()) if (!device.users.size) this.#remover.unstageSoon(device);
  }

  stop(): void {
    this.#remover.stop();
  }

  /** For the node's status; undefined while it is not known. */
  inUse(): readonly string[] | undefined {
    return this.#restored ? this.#c.devices.inUse() : undefined;
  }

  /** The node's status or its drivers have changed. */
  wakeAll(): void {
    const waiting = [...this.#c.waiting];
    this.#c.waiting.clear();
    for (const uid of waiting) this.#c.wake(uid);
    for (const d of this.#c.devices.all()) if (d.staged && !d.users.size) this.#remover.unstageSoon(d);
  }

  persistent(volume: PersistentVolume, readOnly: boolean): CsiVolume {
    const source = must(volume.spec?.csi, 'a volume of a CSI driver');
    return {
      name: volume.metadata.name ?? '',
      driver: source.driver,
      handle: source.volumeHandle,
      persistent: { volume, source },
      readOnly,
      block: volume.spec?.volumeMode === 'Block',
    };
  }

  /** The volume of a pod itself. */
  inline(pod: Pod, name: string): CsiVolume {
    const inline = must(pod.spec.volumes?.find(v => v.name === name)?.csi, 'a volume of the pod');
    const handle = ephemeralHandle(pod.metadata.uid ?? '', name);
    return { name, driver: inline.driver, handle, inline, readOnly: inline.readOnly ?? false, block: false };
  }

  path(pod: Pod, v: CsiVolume): string {
    return publishedPath(this.#c.paths, pod, v);
  }

  /** Rejects with VolumeWait while others must act first, with VolumeError when a step failed. */
  async setUp(pod: Pod, v: CsiVolume): Promise<SetUp> {
    const uid = pod.metadata.uid ?? '';
    const device = v.inline ? undefined : this.#c.devices.ensure(v.driver, v.handle, v.name, v.block);
    device?.users.add(uid);
    const known = this.#tried.has(`${uid}/${v.name}`) ? undefined : await this.#found(pod, v);
    this.#tried.add(`${uid}/${v.name}`);
    if (known) return known;
    if (!device) return this.#publisher.publish(await this.#publisher.way(pod, v), {}, undefined);
    try {
      return await this.#c.devices.inTurn(device, async () => {
        const way = await this.#publisher.way(pod, v);
        const context = await this.#publisher.attached(way, device);
        await this.#publisher.stage(way, device, context);
        return this.#publisher.publish(way, context, device);
      });
    } catch (error) {
      this.#c.waiting.add(uid);
      throw error;
    }
  }

  /** A former kubelet published it, and there it is. */
  async #found(pod: Pod, v: CsiVolume): Promise<SetUp | undefined> {
    const { host } = this.#c;
    const path = this.path(pod, v);
    const there = v.block ? await host.info(path) : await host.isMountPoint(path);
    // Whether it is to be published again and again, its driver will tell when it is back.
    return there ? { ...setUpOf(v, path), refreshAtMs: this.#c.clock.now() + republishMs } : undefined;
  }

  /** For drivers that want to be asked again and again while the pod runs. */
  async update(pod: Pod, v: CsiVolume, before: SetUp): Promise<SetUp> {
    if (before.refreshAtMs === undefined || this.#c.clock.now() < before.refreshAtMs) return before;
    const { refreshAtMs: _, ...rest } = before;
    if (!(await this.#publisher.driverObject(v.driver))?.spec.requiresRepublish) return rest;
    const device = this.#c.devices.get(v.driver, v.handle);
    const again = async () => {
      const way = await this.#publisher.way(pod, v);
      return this.#publisher.publish(way, device ? await this.#publisher.attached(way, device) : {}, device);
    };
    return device ? this.#c.devices.inTurn(device, again) : again();
  }

  /** Whatever is published in a pod's directory for volumes of drivers, also by a former kubelet. */
  async tearDown(podUid: string): Promise<void> {
    const { host, paths } = this.#c;
    this.#c.waiting.delete(podUid);
    this.#figures.forget(podUid);
    for (const key of this.#tried) if (key.startsWith(`${podUid}/`)) this.#tried.delete(key);
    for (const name of await host.list(paths.published(podUid))) await this.#remover.unpublish(podUid, name);
    for (const name of await host.list(paths.mapped(podUid))) await this.#remover.unmap(podUid, name);
    for (const device of this.#c.devices.all()) if (device.users.delete(podUid)) this.#remover.free(device);
  }

  driver(name: string): CsiDriver | undefined {
    return this.#c.drivers.get(name);
  }

  stagingPath(v: CsiVolume, driver: CsiDriver): Promise<string> {
    return stagingPath(this.#c, v, driver);
  }

  stats(pod: Pod, v: CsiVolume): Promise<VolumeFigures | undefined> {
    return this.#figures.of(pod, v);
  }

  async expandSecrets(v: CsiVolume): Promise<Texts> {
    return this.#publisher.secrets(v.persistent?.source.nodeExpandSecretRef);
  }
}
