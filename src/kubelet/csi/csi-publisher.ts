// CSI volumes on their way into pods: attached, staged, published.
import { join } from 'node:path';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { CSIDriver, VolumeAttachment } from '../../api/type/storage-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { nearNumber } from '../../base/whole-number.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import { decodeBase64 } from '../kernel/env.ts';
import { applyFsGroupOnce } from '../volume/ownership.ts';
import type { SetUp } from '../volume/volume.ts';
import { VolumeError, VolumeLimitError, VolumeWait } from '../volume/volume-error.ts';
import type { CsiDriver } from './csi-client.ts';
import { type CsiContext, driverNotFound, publishedPath, removePublished } from './csi-context.ts';
import type { Device } from './csi-devices.ts';
import { attachmentName, dataFile } from './csi-path.ts';
import type { VolumeCapability } from './csi-type.ts';
import { uniqueVolumeName, type VolumeData } from './kernel/csi-name.ts';
import {
  type CsiVolume,
  capabilityOf,
  type DriverFeatures,
  lifecycleProblem,
  podInfo,
  setsOwnership,
  type Token,
  tokenText,
} from './kernel/csi-request.ts';

export type Texts = Readonly<Record<string, string>>;

/** A volume about to be published. */
export interface Way {
  readonly pod: Pod;
  readonly volume: CsiVolume;
  readonly driver: CsiDriver;
  readonly object: CSIDriver | undefined;
  readonly features: DriverFeatures;
  readonly capability: VolumeCapability;
}

/** gRPC's code. */
const resourceExhausted = 8;
export const republishMs = 60_000;
/** After these a driver may have done what was asked, or may be doing it. */
const uncertain = new Set(['Canceled', 'DeadlineExceeded', 'Unavailable', 'ResourceExhausted', 'Aborted']);

export class CsiPublisher {
  readonly #c: CsiContext;

  constructor(context: CsiContext) {
    this.#c = context;
  }

  /** Finds out what publishing needs to know; rejects while the driver is not there. */
  async way(pod: Pod, v: CsiVolume): Promise<Way> {
    const driver = this.#c.drivers.get(v.driver);
    if (!driver) {
      this.#c.waiting.add(pod.metadata.uid ?? '');
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
    return orNothing(this.#c.client.get(storageV1.csidrivers, { name }));
  }

  /** What the attacher says of it, where it must be attached. The node's status tells both of it before it is used. */
  async attached({ volume: v, object }: Way, device: Device): Promise<Texts> {
    const { nodeName, client } = this.#c;
    const required = object?.spec.attachRequired !== false;
    if (device.attachable !== required) {
      device.attachable = required;
      this.#c.inUseChanged();
    }
    if (!required) return {};
    const name = uniqueVolumeName(v.driver, v.handle);
    const told = this.#c.nodeVolumes();
    if (!told.inUse.includes(name)) {
      this.#c.inUseChanged();
      throw new VolumeWait("Volume has not been added to the list of VolumesInUse in the node's volume status");
    }
    const id = attachmentName(v.handle, v.driver, nodeName);
    const operation = v.block ? 'MapVolume.WaitForAttach' : 'MountVolume.WaitForAttach';
    const failed = (why: string) => new VolumeError(operation, v.name, why);
    let attachment: VolumeAttachment | undefined;
    try {
      attachment = await orNothing(client.get(storageV1.volumeattachments, { name: id }));
    } catch (error) {
      throw failed(messageOf(error));
    }
    const { errorCode, message = '' } = attachment?.status?.attachError ?? {};
    if (errorCode === resourceExhausted) {
      void this.#c.drivers.refresh(v.driver);
      throw new VolumeLimitError(operation, v.name, message);
    }
    if (!told.attached.includes(name)) throw new VolumeWait('Volume not attached according to node status');
    if (!attachment) throw failed(`volume attachment ${id} not found`);
    if (attachment.metadata.deletionTimestamp) throw failed('volume attachment is being deleted');
    if (!attachment.status?.attached) throw new VolumeWait('volume attachment is not attached');
    return attachment.status.attachmentMetadata ?? {};
  }

  /** Once for all pods of the node. */
  async stage(way: Way, device: Device, context: Texts): Promise<void> {
    const { volume: v, driver, capability } = way;
    const { host } = this.#c;
    const operation = v.block ? 'MapVolume.SetUpDevice' : 'MountVolume.MountDevice';
    try {
      await this.#c.devices.keepData(device);
      if (!(await driver.can('STAGE_UNSTAGE_VOLUME')) || device.stagedNow) return;
      const staging = this.#c.devices.staging(device);
      await host.makeDirectory(staging, 0o750);
      await driver.node.NodeStageVolume({
        volume_id: v.handle,
        publish_context: context,
        staging_target_path: driver.toDriver(staging),
        volume_capability: capability,
        secrets: await this.secrets(v.persistent?.source.nodeStageSecretRef),
        volume_context: v.persistent?.source.volumeAttributes ?? {},
      });
      device.stagedNow = true;
    } catch (error) {
      throw new VolumeError(operation, v.name, messageOf(error), { cause: error });
    }
  }

  /** Into the pod; `device` of a volume that is not the pod's own. */
  async publish(way: Way, context: Texts, device: Device | undefined): Promise<SetUp> {
    const { volume: v, pod, object } = way;
    const { host, paths, nodeName } = this.#c;
    const uid = pod.metadata.uid ?? '';
    const path = publishedPath(paths, pod, v);
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
        if (!isUncertain(error) && !v.block) await removePublished(host, directory).catch(() => {});
        throw error;
      });
      if (v.block) await this.#link(path, join(directory, v.name));
      else if (setsOwnership(v, object, pod) && !way.features.mountGroup) await this.#own(pod, v, path);
      const mapped = v.block ? { mapped: { volume: v.name, path: directory } } : {};
      return { ...setUpOf(v, path), ...mapped, ...(refreshAtMs === undefined ? {} : { refreshAtMs }) };
    } catch (error) {
      throw new VolumeError(operation, v.name, messageOf(error), { cause: error });
    }
  }

  async #own(pod: Pod, v: CsiVolume, path: string): Promise<void> {
    await applyFsGroupOnce(this.#c, pod, v.name, path, v.readOnly).catch(error => {
      throw new Error(`applyFSGroup failed for vol ${v.handle}: ${messageOf(error)}`, { cause: error });
    });
  }

  async #link(target: string, path: string): Promise<void> {
    if ((await this.#c.host.readLink(path)) !== target) await this.#c.host.symlink(target, path);
  }

  /** Resolves with when to publish it anew. */
  async #callPublish(
    { pod, volume: v, driver, object, capability }: Way,
    context: Texts,
    device: Device | undefined,
    path: string,
  ): Promise<number | undefined> {
    const { clock } = this.#c;
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
      staging_target_path: staged ? driver.toDriver(this.#c.devices.staging(device)) : '',
      target_path: driver.toDriver(path),
      volume_capability: capability,
      readonly: v.readOnly,
      secrets: { ...(await this.secrets(secretRef)), ...(inSecrets ? tokens.texts : {}) },
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
      const token = await this.#c.tokens.token(pod, asked);
      out[audience] = token;
      refreshAtMs = Math.min(refreshAtMs, token.refreshAtMs);
    }
    return { texts: tokenText(out), refreshAtMs };
  }

  async secrets(ref: { readonly name?: string; readonly namespace?: string } | undefined): Promise<Texts> {
    if (!ref?.name) return {};
    const { name, namespace = '' } = ref;
    try {
      const secret = await this.#c.client.get(coreV1.secrets, { namespace, name });
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
}

export function setUpOf(v: CsiVolume, path: string): SetUp {
  const gid = v.persistent?.volume.metadata.annotations?.['pv.beta.kubernetes.io/gid'];
  return {
    ...(v.block ? { devicePath: path } : { path }),
    readOnly: v.readOnly,
    ...(gid ? { groups: [Number(gid)] } : {}),
  };
}

const isUncertain = (error: unknown): boolean => error instanceof RuntimeError && uncertain.has(error.codeName);

function noDriver(v: CsiVolume): VolumeError {
  const [operation, step] = v.inline
    ? ['MountVolume.SetUp', 'mounter.SetUpAt failed to get CSI client']
    : v.block
      ? ['MapVolume.SetUpDevice', 'blockMapper.SetUpDevice failed to get CSI client']
      : ['MountVolume.MountDevice', 'attacher.MountDevice failed to create newCsiDriverClient'];
  return new VolumeError(operation!, v.name, `kubernetes.io/csi: ${step}: ${driverNotFound(v.driver)}`);
}

async function orNothing<T>(object: Promise<T>): Promise<T | undefined> {
  try {
    return await object;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
