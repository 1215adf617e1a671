// A volume that its driver has made larger: the node's part of it, while the volume is in use.
import { formatTime } from '../../api/meta.ts';
import { parseQuantity } from '../../api/quantity.ts';
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { type EventRecorder, referenceTo } from '../../client/event-recorder.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { PodEvents } from '../pod-event.ts';
import type { CsiVolumes } from './csi-volumes.ts';
import { type CsiVolume, capabilityOf } from './kernel/csi-request.ts';

export interface CsiExpansionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly nodeName: string;
  readonly events: PodEvents;
  readonly recorder: EventRecorder;
  readonly volumes: CsiVolumes;
}

/** No other try will do better. */
const infeasible = new Set(['InvalidArgument', 'OutOfRange', 'NotFound']);
const resizeConditions = new Set(['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError']);

const storageOf = (amounts: Readonly<Record<string, string>> | undefined) => amounts?.storage;

/** The size the node is to see to; undefined when there is nothing to do. */
export function pendingSize(claim: PersistentVolumeClaim, volume: PersistentVolume): string | undefined {
  const size = storageOf(volume.spec?.capacity);
  const has = storageOf(claim.status?.capacity);
  if (!size || !has || parseQuantity(size).compare(parseQuantity(has)) <= 0) return undefined;
  const state = claim.status?.allocatedResourceStatuses?.storage;
  const isOurs = !state || state === 'NodeResizePending' || state === 'NodeResizeInProgress';
  return isOurs ? size : undefined;
}

export class CsiExpansion {
  readonly #o: CsiExpansionOptions;
  readonly #notBeforeMs = new Map<string, { readonly atMs: number; readonly delayMs: number }>();

  constructor(options: CsiExpansionOptions) {
    this.#o = options;
  }

  /** Grows what is pending. Never rejects: what fails is told, and tried again when asked again. */
  async expand(pod: Pod, v: CsiVolume, claim: PersistentVolumeClaim): Promise<void> {
    const volume = v.persistent?.volume;
    const size = volume && pendingSize(claim, volume);
    if (!size || v.readOnly) return;
    const { clock, events } = this.#o;
    const before = this.#notBeforeMs.get(v.name);
    if (before && clock.now() < before.atMs) return;
    try {
      await this.#expand(pod, v, claim, size);
      this.#notBeforeMs.delete(v.name);
    } catch (error) {
      const delayMs = Math.min(122_000, (before?.delayMs ?? 250) * 2);
      this.#notBeforeMs.set(v.name, { atMs: clock.now() + delayMs, delayMs });
      const message = `NodeExpandVolume.NodeExpandVolume failed for volume "${v.name}" : ${messageOf(error)}`;
      events.pod(pod, 'Warning', 'VolumeResizeFailed', message);
      await this.#fail(claim, messageOf(error), isInfeasible(error)).catch(() => {});
    }
  }

  async #expand(pod: Pod, v: CsiVolume, claim: PersistentVolumeClaim, size: string): Promise<void> {
    const { volumes, events, recorder, nodeName } = this.#o;
    const driver = volumes.driver(v.driver);
    if (!driver) throw new Error(`driver name ${v.driver} not found in the list of registered CSI drivers`);
    // A driver whose nodes have no part in it is done when its controller is.
    if (await driver.can('EXPAND_VOLUME')) {
      if (claim.status?.allocatedResourceStatuses?.storage !== 'NodeResizeInProgress')
        await this.#patch(claim, { allocatedResourceStatuses: { storage: 'NodeResizeInProgress' } });
      const features = {
        singleNodeMultiWriter: await driver.can('SINGLE_NODE_MULTI_WRITER'),
        mountGroup: false,
      };
      await driver.node.NodeExpandVolume({
        volume_id: v.handle,
        volume_path: driver.toDriver(volumes.path(pod, v)),
        staging_target_path: await volumes.stagingPath(v, driver),
        capacity_range: { required_bytes: parseQuantity(size).toNumber() },
        volume_capability: capabilityOf(v, features, undefined),
        secrets: await volumes.expandSecrets(v),
      });
      const message = `MountVolume.NodeExpandVolume succeeded for volume "${v.name}" ${nodeName}`;
      events.pod(pod, 'Normal', 'FileSystemResizeSuccessful', message);
      recorder.event(
        referenceTo(claim, coreV1.persistentvolumeclaims),
        'Normal',
        'FileSystemResizeSuccessful',
        message,
      );
    }
    await this.#patch(claim, {
      capacity: { ...claim.status?.capacity, storage: size },
      allocatedResourceStatuses: { storage: null },
      conditions: (claim.status?.conditions ?? []).filter(c => !resizeConditions.has(c.type)),
    });
  }

  async #fail(claim: PersistentVolumeClaim, message: string, forGood: boolean): Promise<void> {
    const type = 'NodeResizeError';
    const others = (claim.status?.conditions ?? []).filter(c => c.type !== type);
    const lastTransitionTime = formatTime(this.#o.clock.now());
    await this.#patch(claim, {
      conditions: [...others, { type, status: 'True', lastTransitionTime, message }],
      ...(forGood ? { allocatedResourceStatuses: { storage: 'NodeResizeInfeasible' } } : {}),
    });
  }

  async #patch({ metadata }: PersistentVolumeClaim, status: object): Promise<void> {
    const key = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
    const patch = { type: 'merge', body: { status } } as const;
    await this.#o.client.patch(coreV1.persistentvolumeclaims, key, patch, { subresource: 'status' });
  }
}

const isInfeasible = (error: unknown): boolean => error instanceof RuntimeError && infeasible.has(error.codeName);
