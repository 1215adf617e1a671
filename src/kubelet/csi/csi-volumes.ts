// Volumes of CSI drivers on their way into pods and out: attached, staged, published, and all that backwards.
import { join } from 'node:path';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { PersistentVolume, Pod } from '../../api/type/core-v1.ts';
import type { CSIDriver, VolumeAttachment } from '../../api/type/storage-v1.ts';
import { messageOf, must } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { nearNumber } from '../../base/whole-number.ts';
import type { Client } from '../../client/client.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { Host } from '../host/host.ts';
import { decodeBase64 } from '../kernel/env.ts';
import type { TokenManager } from '../token-manager.ts';
import { applyFsGroup } from '../volume/ownership.ts';
import type { SetUp, VolumeFigures } from '../volume/volume.ts';
import { VolumeError, VolumeWait } from '../volume/volume-error.ts';
import type { CsiDriver } from './csi-client.ts';
import { CsiDevices, type Device } from './csi-devices.ts';
import { attachmentName, type CsiPaths, dataFile, ephemeralHandle } from './csi-path.ts';
import type { CsiDrivers } from './csi-registration.ts';
import type { VolumeCapability } from './csi-type.ts';
import { parseVolumeData, uniqueVolumeName, type VolumeData } from './kernel/csi-name.ts';
import {
  type CsiVolume,
  capabilityOf,
  type DriverFeatures,
  figuresOf,
  lifecycleProblem,
  podInfo,
  setsOwnership,
  type Token,
  tokenText,
} from './kernel/csi-request.ts';

export interface CsiVolumesOptions {
  readonly client: Client;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  readonly drivers: CsiDrivers;
  readonly paths: CsiPaths;
  readonly tokens: TokenManager;
  /** What the node's status says. */
  nodeVolumes(): { readonly attached: readonly string[]; readonly inUse: readonly string[] };
  /** The volumes in use are others now: the node's status is to tell. */
  inUseChanged(): void;
  /** What a pod waits for may have come. */
  wake(podUid: string): void;
}

type Texts = Readonly<Record<string, string>>;

/** A volume about to be published. */
interface Way {
  readonly pod: Pod;
  readonly volume: CsiVolume;
  readonly driver: CsiDriver;
  readonly object: CSIDriver | undefined;
  readonly features: DriverFeatures;
  readonly capability: VolumeCapability;
}

const republishMs = 60_000;
const statsMs = 60_000;
const firstRetryMs = 500;
const maxRetryMs = 122_000;
/** After these a driver may have done what was asked, or may be doing it. */
const uncertain = new Set(['Canceled', 'DeadlineExceeded', 'Unavailable', 'ResourceExhausted', 'Aborted']);

export class CsiVolumes {
  readonly #o: CsiVolumesOptions;
  readonly devices: CsiDevices;
  /** Pods that wait for their node, an attacher or a driver. */
  readonly #waiting = new Set<string>();
  /** `uid/volume`: a step was tried in this kubelet's life, so that what lies there says nothing. */
  readonly #tried = new Set<string>();
  readonly #stats = new Map<string, { readonly atMs: number; readonly figures: Promise<VolumeFigures | undefined> }>();
  #stopped = false;
  #restored = false;

  constructor(options: CsiVolumesOptions) {
    this.#o = options;
    this.devices = new CsiDevices(options.host, options.paths);
  }

  /** Looks at what a former kubelet left; before anything else is asked. */
  async restore(): Promise<void> {
    await this.devices.restore();
    this.#restored = true;
    for (const device of this.devices.all()) if (!device.users.size) this.#unstageSoon(device);
  }

  stop(): void {
    this.#stopped = true;
    for (const device of this.devices.all()) device.retry?.cancel();
  }

  /** For the node's status; undefined while it is not known. */
  inUse(): readonly string[] | undefined {
    return this.#restored ? this.devices.inUse() : undefined;
  }

  /** The node's status or its drivers have changed. */
  wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const uid of waiting) this.#o.wake(uid);
    for (const d of this.devices.all()) if (d.staged && !d.users.size) this.#unstageSoon(d);
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

  /** What a pod's containers get of a volume. */
  path(pod: Pod, v: CsiVolume): string {
    const uid = pod.metadata.uid ?? '';
    return v.block ? this.#o.paths.blockPublish(v.name, uid) : join(this.#o.paths.published(uid), v.name, 'mount');
  }

  /** Rejects with VolumeWait while others must act first, with VolumeError when a step failed. */
  async setUp(pod: Pod, v: CsiVolume): Promise<SetUp> {
    const uid = pod.metadata.uid ?? '';
    const device = v.inline ? undefined : this.devices.ensure(v.driver, v.handle, v.name, v.block);
    device?.users.add(uid);
    const known = this.#tried.has(`${uid}/${v.name}`) ? undefined : await this.#found(pod, v);
    this.#tried.add(`${uid}/${v.name}`);
    if (known) return known;
    if (!device) return this.#publish(await this.#way(pod, v), {}, undefined);
    try {
      return await this.devices.inTurn(device, async () => {
        const way = await this.#way(pod, v);
        const context = await this.#attached(way, device);
        await this.#stage(way, device, context);
        return this.#publish(way, context, device);
      });
    } catch (error) {
      this.#waiting.add(uid);
      throw error;
    }
  }

  /** A former kubelet published it, and there it is. */
  async #found(pod: Pod, v: CsiVolume): Promise<SetUp | undefined> {
    const { host } = this.#o;
    const path = this.path(pod, v);
    const there = v.block ? await host.info(path) : await host.isMountPoint(path);
    // Whether it is to be published again and again, its driver will tell when it is back.
    return there ? { ...this.#setUpOf(v, path), refreshAtMs: this.#o.clock.now() + republishMs } : undefined;
  }

  #setUpOf(v: CsiVolume, path: string): SetUp {
    const gid = v.persistent?.volume.metadata.annotations?.['pv.beta.kubernetes.io/gid'];
    return {
      ...(v.block ? { devicePath: path } : { path }),
      readOnly: v.readOnly,
      ...(gid ? { groups: [Number(gid)] } : {}),
    };
  }

  // ---- the way in ----

  async #way(pod: Pod, v: CsiVolume): Promise<Way> {
    const driver = this.#o.drivers.get(v.driver);
    if (!driver) {
      this.#waiting.add(pod.metadata.uid ?? '');
      throw noDriver(v);
    }
    const object = await this.driverObject(v.driver);
    const problem = lifecycleProblem(v.driver, object, !!v.inline);
    if (problem) throw new VolumeError('MountVolume.SetUp', v.name, problem);
    const features = {
      singleNodeMultiWriter: await driver.can('SINGLE_NODE_MULTI_WRITER'),
      mountGroup: await driver.can('VOLUME_MOUNT_GROUP'),
    };
    const fsGroup = nearNumber(pod.spec.securityContext?.fsGroup);
    return { pod, volume: v, driver, object, features, capability: capabilityOf(v, features, fsGroup) };
  }

  async driverObject(name: string): Promise<CSIDriver | undefined> {
    return orNothing(this.#o.client.get(storageV1.csidrivers, { name }));
  }

  /** What the attacher says of it, where it must be attached. The node's status tells both of it before it is used. */
  async #attached({ volume: v, object }: Way, device: Device): Promise<Texts> {
    const { nodeName, client } = this.#o;
    const required = object?.spec.attachRequired !== false;
    if (device.attachable !== required) {
      device.attachable = required;
      this.#o.inUseChanged();
    }
    if (!required) return {};
    const name = uniqueVolumeName(v.driver, v.handle);
    const told = this.#o.nodeVolumes();
    if (!told.inUse.includes(name)) {
      this.#o.inUseChanged();
      throw new VolumeWait("Volume has not been added to the list of VolumesInUse in the node's volume status");
    }
    if (!told.attached.includes(name)) throw new VolumeWait('Volume not attached according to node status');
    const id = attachmentName(v.handle, v.driver, nodeName);
    const failed = (why: string) => new VolumeError('MountVolume.WaitForAttach', v.name, why);
    let attachment: VolumeAttachment | undefined;
    try {
      attachment = await orNothing(client.get(storageV1.volumeattachments, { name: id }));
    } catch (error) {
      throw failed(messageOf(error));
    }
    if (!attachment) throw failed(`volume attachment ${id} not found`);
    if (attachment.metadata.deletionTimestamp) throw failed('volume attachment is being deleted');
    if (!attachment.status?.attached) throw new VolumeWait('volume attachment is not attached');
    return attachment.status.attachmentMetadata ?? {};
  }

  async #stage(way: Way, device: Device, context: Texts): Promise<void> {
    const { volume: v, driver, capability } = way;
    const { host } = this.#o;
    const operation = v.block ? 'MapVolume.SetUpDevice' : 'MountVolume.MountDevice';
    try {
      await this.devices.keepData(device);
      if (!(await driver.can('STAGE_UNSTAGE_VOLUME')) || device.stagedNow) return;
      const staging = this.devices.staging(device);
      await host.makeDirectory(staging, 0o750);
      await driver.node.NodeStageVolume({
        volume_id: v.handle,
        publish_context: context,
        staging_target_path: driver.toDriver(staging),
        volume_capability: capability,
        secrets: await this.#secrets(v.persistent?.source.nodeStageSecretRef),
        volume_context: v.persistent?.source.volumeAttributes ?? {},
      });
      device.stagedNow = true;
    } catch (error) {
      throw new VolumeError(operation, v.name, messageOf(error), { cause: error });
    }
  }

  async #publish(way: Way, context: Texts, device: Device | undefined): Promise<SetUp> {
    const { volume: v, pod, object } = way;
    const { host, paths, nodeName } = this.#o;
    const uid = pod.metadata.uid ?? '';
    const path = this.path(pod, v);
    const directory = v.block ? paths.mapped(uid) : join(paths.published(uid), v.name);
    const operation = v.block ? 'MapVolume.MapPodDevice' : 'MountVolume.SetUp';
    try {
      await host.makeDirectory(directory, 0o750);
      if (v.block) await host.makeDirectory(join(path, '..'), 0o750);
      else {
        const data: VolumeData = {
          attachmentID: attachmentName(v.handle, v.driver, nodeName),
          driverName: v.driver,
          nodeName,
          specVolID: v.name,
          volumeHandle: v.handle,
          volumeLifecycleMode: v.inline ? 'Ephemeral' : 'Persistent',
        };
        await host.writeFile(join(directory, dataFile), JSON.stringify(data), { mode: 0o600 });
      }
      const refreshAtMs = await this.#callPublish(way, context, device, path).catch(async error => {
        if (!isUncertain(error) && !v.block) await this.#removeDirectory(directory).catch(() => {});
        throw error;
      });
      if (v.block) await this.#link(path, join(directory, v.name));
      else if (setsOwnership(v, object, pod) && !way.features.mountGroup) await this.#own(pod, v, path);
      return { ...this.#setUpOf(v, path), ...(refreshAtMs === undefined ? {} : { refreshAtMs }) };
    } catch (error) {
      throw new VolumeError(operation, v.name, messageOf(error), { cause: error });
    }
  }

  async #own(pod: Pod, v: CsiVolume, path: string): Promise<void> {
    await applyFsGroup(this.#o.host, pod, path, v.readOnly).catch(error => {
      throw new Error(`applyFSGroup failed for vol ${v.handle}: ${messageOf(error)}`, { cause: error });
    });
  }

  async #link(target: string, path: string): Promise<void> {
    if ((await this.#o.host.readLink(path)) !== target) await this.#o.host.symlink(target, path);
  }

  /** Resolves with when to publish it anew. */
  async #callPublish(
    { pod, volume: v, driver, object, capability }: Way,
    context: Texts,
    device: Device | undefined,
    path: string,
  ): Promise<number | undefined> {
    const { clock } = this.#o;
    const attributes = (v.persistent?.source ?? v.inline)?.volumeAttributes ?? {};
    const info = object?.spec.podInfoOnMount ? podInfo(pod, !!v.inline) : {};
    const tokens = await this.#tokens(pod, object);
    const inSecrets = object?.spec.serviceAccountTokenInSecrets ?? false;
    const secretRef = v.persistent
      ? v.persistent.source.nodePublishSecretRef
      : v.inline?.nodePublishSecretRef && { ...v.inline.nodePublishSecretRef, namespace: pod.metadata.namespace ?? '' };
    const staged = device && (await driver.can('STAGE_UNSTAGE_VOLUME'));
    await driver.node.NodePublishVolume({
      volume_id: v.handle,
      publish_context: context,
      staging_target_path: staged ? driver.toDriver(this.devices.staging(device)) : '',
      target_path: driver.toDriver(path),
      volume_capability: capability,
      readonly: v.readOnly,
      secrets: { ...(await this.#secrets(secretRef)), ...(inSecrets ? tokens.texts : {}) },
      volume_context: { ...attributes, ...info, ...(inSecrets ? {} : tokens.texts) },
    });
    if (!object?.spec.requiresRepublish) return undefined;
    return Math.min(clock.now() + republishMs, tokens.refreshAtMs);
  }

  async #tokens(pod: Pod, object: CSIDriver | undefined): Promise<{ texts: Texts; refreshAtMs: number }> {
    const requests = object?.spec.tokenRequests ?? [];
    if (!requests.length) return { texts: {}, refreshAtMs: Number.POSITIVE_INFINITY };
    const out: Record<string, Token> = {};
    let refreshAtMs = Number.POSITIVE_INFINITY;
    for (const { audience, expirationSeconds } of requests) {
      const asked = { audience, ...(expirationSeconds === undefined ? {} : { expirationSeconds }), path: '' };
      const token = await this.#o.tokens.token(pod, asked);
      out[audience] = token;
      refreshAtMs = Math.min(refreshAtMs, token.refreshAtMs);
    }
    return { texts: tokenText(out), refreshAtMs };
  }

  async #secrets(ref: { readonly name?: string; readonly namespace?: string } | undefined): Promise<Texts> {
    if (!ref?.name) return {};
    const { name, namespace = '' } = ref;
    try {
      const secret = await this.#o.client.get(coreV1.secrets, { namespace, name });
      return Object.fromEntries(
        Object.entries(secret.data ?? {}).map(([k, v]) => [k, new TextDecoder().decode(decodeBase64(v))]),
      );
    } catch (error) {
      throw new Error(
        `failed to find the secret ${name} in the namespace ${namespace} with error: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  /** For drivers that want to be asked again and again while the pod runs. */
  async update(pod: Pod, v: CsiVolume, before: SetUp): Promise<SetUp> {
    if (before.refreshAtMs === undefined || this.#o.clock.now() < before.refreshAtMs) return before;
    const { refreshAtMs: _, ...rest } = before;
    if (!(await this.driverObject(v.driver))?.spec.requiresRepublish) return rest;
    const device = this.devices.get(v.driver, v.handle);
    const again = async () => {
      const way = await this.#way(pod, v);
      return this.#publish(way, device ? await this.#attached(way, device) : {}, device);
    };
    return device ? this.devices.inTurn(device, again) : again();
  }

  // ---- the way out ----

  /** Whatever is published in a pod's directory for volumes of drivers, also by a former kubelet. */
  async tearDown(podUid: string): Promise<void> {
    const { host, paths } = this.#o;
    this.#waiting.delete(podUid);
    for (const key of this.#stats.keys()) if (key.startsWith(`${podUid}/`)) this.#stats.delete(key);
    for (const key of this.#tried) if (key.startsWith(`${podUid}/`)) this.#tried.delete(key);
    for (const name of await host.list(paths.published(podUid))) await this.#unpublish(podUid, name);
    for (const name of await host.list(paths.mapped(podUid))) await this.#unmap(podUid, name);
    for (const device of this.devices.all()) if (device.users.delete(podUid)) this.#free(device);
  }

  async #unpublish(podUid: string, name: string): Promise<void> {
    const { host, paths } = this.#o;
    const directory = join(paths.published(podUid), name);
    const data = parseVolumeData(await host.readFile(join(directory, dataFile)));
    const target = join(directory, 'mount');
    if (!data) {
      if (await host.isMountPoint(target)) throw new Error(`"${target}" is mounted and ${dataFile} is missing`);
      return this.#removeDirectory(directory);
    }
    const unpublish = async () => {
      const driver = this.#driverOf(data.driverName, name, 'UnmountVolume.TearDown');
      await driver.node.NodeUnpublishVolume({
        volume_id: data.volumeHandle,
        target_path: driver.toDriver(target),
      });
      await this.#removeDirectory(directory);
    };
    const device = this.devices.get(data.driverName, data.volumeHandle);
    if (!device) return unpublish();
    await this.devices.inTurn(device, unpublish);
    device.users.delete(podUid);
    this.#free(device);
  }

  async #unmap(podUid: string, name: string): Promise<void> {
    const { host, paths } = this.#o;
    const link = join(paths.mapped(podUid), name);
    const device = this.devices.all().find(d => d.block && d.name === name);
    if (device) {
      await this.devices.inTurn(device, async () => {
        const driver = this.#driverOf(device.driver, name, 'UnmapVolume.UnmapPodDevice');
        const target = paths.blockPublish(name, podUid);
        await driver.node.NodeUnpublishVolume({ volume_id: device.handle, target_path: driver.toDriver(target) });
        await host.removeEmpty(target);
        await host.removeEmpty(join(target, '..')).catch(() => {});
      });
      device.users.delete(podUid);
    }
    await host.removeEmpty(link);
    if (device) this.#free(device);
  }

  #driverOf(name: string, volume: string, operation: string): CsiDriver {
    const driver = this.#o.drivers.get(name);
    if (driver) return driver;
    const message = `kubernetes.io/csi: Unmounter.TearDownAt failed to get CSI client: ${notFound(name)}`;
    throw new VolumeError(operation, volume, message);
  }

  /** Only what the kubelet made itself: what else lies there is somebody's data. */
  async #removeDirectory(directory: string): Promise<void> {
    const { host } = this.#o;
    const target = join(directory, 'mount');
    if (await host.isMountPoint(target)) throw new Error(`"${target}" is still mounted`);
    await host.removeEmpty(target);
    await host.removeEmpty(join(directory, dataFile));
    await host.removeEmpty(directory);
  }

  #free(device: Device): void {
    if (device.users.size) return;
    if (device.staged) this.#unstageSoon(device);
    else {
      this.devices.forget(device);
      this.#o.inUseChanged();
    }
  }

  #unstageSoon(device: Device): void {
    device.retry?.cancel();
    device.retry = undefined;
    void this.devices
      .inTurn(device, () => this.#unstage(device))
      .catch(error => {
        const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** device.failures++);
        const fields = { volume: device.name, driver: device.driver, error: messageOf(error), againMs: delayMs };
        this.#o.log.warn('unstaging a volume failed', fields);
        device.retry = this.#o.clock.after(delayMs, () => {
          if (!this.#stopped) this.#unstageSoon(device);
        });
      });
  }

  async #unstage(device: Device): Promise<void> {
    const { host } = this.#o;
    if (device.users.size || !device.staged || this.#stopped) return;
    const driver = this.#driverOf(device.driver, device.name, 'UnmountDevice');
    const staging = this.devices.staging(device);
    if (await driver.can('STAGE_UNSTAGE_VOLUME'))
      await driver.node.NodeUnstageVolume({
        volume_id: device.handle,
        staging_target_path: driver.toDriver(staging),
      });
    device.stagedNow = false;
    if (await host.isMountPoint(staging)) throw new Error(`"${staging}" is still mounted`);
    await host.removeEmpty(staging);
    const directory = this.devices.directory(device);
    await host.removeEmpty(join(directory, dataFile));
    await host.removeEmpty(directory);
    if (device.block) await host.removeEmpty(join(directory, '..')).catch(() => {});
    device.staged = false;
    this.devices.forget(device);
    this.#o.inUseChanged();
  }

  // ---- what others ask of drivers ----

  driver(name: string): CsiDriver | undefined {
    return this.#o.drivers.get(name);
  }

  /** Where the driver keeps what all pods share; empty where it does not. */
  async stagingPath(v: CsiVolume, driver: CsiDriver): Promise<string> {
    const device = this.devices.get(v.driver, v.handle);
    if (!device || !(await driver.can('STAGE_UNSTAGE_VOLUME'))) return '';
    return driver.toDriver(this.devices.staging(device));
  }

  /** At most a minute old; undefined where the driver does not tell. */
  async stats(pod: Pod, v: CsiVolume): Promise<VolumeFigures | undefined> {
    const key = `${pod.metadata.uid}/${v.name}`;
    const nowMs = this.#o.clock.monotonic();
    const known = this.#stats.get(key);
    if (known && nowMs - known.atMs < statsMs) return known.figures;
    const figures = this.#askStats(pod, v);
    this.#stats.set(key, { atMs: nowMs, figures });
    return figures;
  }

  async #askStats(pod: Pod, v: CsiVolume): Promise<VolumeFigures | undefined> {
    const driver = this.#o.drivers.get(v.driver);
    try {
      if (!driver || !(await driver.can('GET_VOLUME_STATS'))) return undefined;
      return figuresOf(
        await driver.node.NodeGetVolumeStats({
          volume_id: v.handle,
          volume_path: driver.toDriver(this.path(pod, v)),
          staging_target_path: await this.stagingPath(v, driver),
        }),
      );
    } catch (error) {
      this.#o.log.warn('reading the figures of a volume failed', { volume: v.name, error: messageOf(error) });
      return undefined;
    }
  }

  async expandSecrets(v: CsiVolume): Promise<Texts> {
    return this.#secrets(v.persistent?.source.nodeExpandSecretRef);
  }
}

const isUncertain = (error: unknown): boolean => error instanceof RuntimeError && uncertain.has(error.codeName);

const notFound = (driver: string) => `driver name ${driver} not found in the list of registered CSI drivers`;

function noDriver(v: CsiVolume): VolumeError {
  const [operation, step] = v.inline
    ? ['MountVolume.SetUp', 'mounter.SetUpAt failed to get CSI client']
    : v.block
      ? ['MapVolume.SetUpDevice', 'blockMapper.SetUpDevice failed to get CSI client']
      : ['MountVolume.MountDevice', 'attacher.MountDevice failed to create newCsiDriverClient'];
  return new VolumeError(operation!, v.name, `kubernetes.io/csi: ${step}: ${notFound(v.driver)}`);
}

async function orNothing<T>(object: Promise<T>): Promise<T | undefined> {
  try {
    return await object;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
