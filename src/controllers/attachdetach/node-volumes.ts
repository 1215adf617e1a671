import { coreV1, storageV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { AttachedVolume, Node, PersistentVolume, Pod } from '../../api/type/core-v1.ts';
import type { VolumeAttachment } from '../../api/type/storage-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { CounterMetric } from '../../base/metrics.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { attachmentName, attachmentsByVolume, newAttachment, volumeOf } from './attachment.ts';
import {
  attachableVolumes,
  isManaged,
  mayAttachToMany,
  needsVolumes,
  type Storage,
  uniqueVolumeName,
} from './kernel/attachable.ts';
import { type Attempt, attemptResult, firstAttempt, nextAttempt, silenceMs } from './kernel/attempt.ts';
import { type DetachStep, detachStep } from './kernel/detach-step.ts';
import { attached, attachFailed, attachTimedOut, multiAttach } from './kernel/message.ts';
import { countAttachments } from './volume-counts.ts';

export interface Surroundings {
  readonly maxWaitMs: number | undefined;
  /** Pods with volumes. */
  podsOn(node: string): readonly Pod[];
  /** Pods on any node that name the volume's claim. */
  podsWith(volume: PersistentVolume): readonly Pod[];
  attachmentsOf(node: string): readonly VolumeAttachment[];
}

/** A volume that pods of a node need there. */
interface Needed {
  readonly volume: PersistentVolume;
  readonly pods: Pod[];
}

/** Of one node, by name of the attachment, which tells volume and node. */
interface NodeMemory {
  readonly attempts: Map<string, Attempt>;
  /** Pods have been told that another node has it. */
  readonly told: Set<string>;
  readonly unneededSinceMs: Map<string, number>;
}

/** Attaches and detaches the volumes of one node at a time. */
export class NodeVolumes implements Reconciler {
  readonly #context: ControllerContext;
  readonly #around: Surroundings;
  readonly #forced: CounterMetric;
  readonly #memories = new Map<string, NodeMemory>();
  /** By volume and node: attachments asked for that the lister may not show yet, and when. */
  readonly #asked = new Map<string, Map<string, number>>();
  /** What nodes that are gone said last that they use. */
  readonly #lastInUse = new Map<string, readonly string[]>();

  constructor(context: ControllerContext, around: Surroundings) {
    this.#context = context;
    this.#around = around;
    this.#forced = context.metrics.counter(
      'attachdetach_controller_forced_detaches',
      'Number of times the A/D Controller performed a forced detach',
      ['reason'],
    );
    countAttachments(context);
    context.observe(coreV1.nodes, {
      onAdd: node => this.#lastInUse.delete(node.metadata.name),
      onDelete: node => this.#lastInUse.set(node.metadata.name, node.status?.volumesInUse ?? []),
    });
    context.observe(storageV1.volumeattachments, {
      onAdd: a => this.#answered(volumeOf(a), a.spec.nodeName),
    });
  }

  async reconcile(name: string): Promise<Result | undefined> {
    const node = this.#context.lister(coreV1.nodes).get(name);
    // Where the kubelet attaches by itself nothing of it is known here.
    if (node && !isManaged(node)) return undefined;
    const needed = node ? this.#needed(node) : new Map<string, Needed>();
    const present = this.#around.attachmentsOf(name).filter(a => this.#isOwn(a));
    const memory = this.#recall(name, needed, present);
    const steps = new Map<VolumeAttachment, DetachStep>();
    for (const a of present)
      if (!needed.has(a.metadata.name) && !a.metadata.deletionTimestamp)
        steps.set(a, this.#detachStep(a, node, memory));
    if (node)
      await this.#report(
        node,
        present.filter(a => !steps.get(a)?.detach),
      );
    for (const [a, step] of steps) if (step.detach) await this.#detach(a, step, node);
    const waits = [...steps.values()].map(s => s.afterMs);
    for (const [id, need] of needed) waits.push(await this.#attach(id, need, name, memory));
    const next = Math.min(...waits.filter(w => w !== undefined));
    return Number.isFinite(next) ? { requeueAfterMs: next } : {};
  }

  /** What is known of the node's volumes from before, without those that are past. */
  #recall(name: string, needed: ReadonlyMap<string, Needed>, present: readonly VolumeAttachment[]): NodeMemory {
    const there = new Set(present.map(a => a.metadata.name));
    const memory = this.#memories.get(name) ?? { attempts: new Map(), told: new Set(), unneededSinceMs: new Map() };
    for (const id of memory.attempts.keys()) if (!needed.has(id)) memory.attempts.delete(id);
    for (const id of memory.told) if (!needed.has(id)) memory.told.delete(id);
    for (const id of memory.unneededSinceMs.keys())
      if (needed.has(id) || !there.has(id)) memory.unneededSinceMs.delete(id);
    if (needed.size > 0 || present.length > 0) this.#memories.set(name, memory);
    else {
      this.#memories.delete(name);
      this.#lastInUse.delete(name);
    }
    return memory;
  }

  #needed(node: Node): Map<string, Needed> {
    const { lister } = this.#context;
    const storage: Storage = {
      claim: key => lister(coreV1.persistentvolumeclaims).get(key),
      volume: volume => lister(coreV1.persistentvolumes).get(volume),
      driver: driver => lister(storageV1.csidrivers).get(driver),
    };
    const needed = new Map<string, Needed>();
    for (const pod of this.#around.podsOn(node.metadata.name)) {
      if (!needsVolumes(pod, node)) continue;
      for (const volume of attachableVolumes(pod, storage))
        needed
          .getOrInsertComputed(attachmentName(volume, node.metadata.name), () => ({ volume, pods: [] }))
          .pods.push(pod);
    }
    return needed;
  }

  /** Others make attachments, too; those of volumes that are gone are known by the form of their name. */
  #isOwn(attachment: VolumeAttachment): boolean {
    const { name } = attachment.metadata;
    const volume = this.#context.lister(coreV1.persistentvolumes).get(volumeOf(attachment));
    return volume ? name === attachmentName(volume, attachment.spec.nodeName) : /^csi-[0-9a-f]{64}$/.test(name);
  }

  /** The volume as the node's status names it; undefined when it is gone. */
  #uniqueName(attachment: VolumeAttachment): string | undefined {
    const csi = this.#context.lister(coreV1.persistentvolumes).get(volumeOf(attachment))?.spec?.csi;
    return csi && uniqueVolumeName(csi.driver, csi.volumeHandle);
  }

  #detachStep(attachment: VolumeAttachment, node: Node | undefined, memory: NodeMemory): DetachStep {
    const nowMs = this.#context.clock.monotonic();
    const sinceMs = memory.unneededSinceMs.getOrInsert(attachment.metadata.name, nowMs);
    const users = node ? (node.status?.volumesInUse ?? []) : this.#lastInUse.get(attachment.spec.nodeName);
    // Of a node that was never seen anything may be true.
    const inUse = users ? this.#isAmong(attachment, users) : true;
    return detachStep({ node, inUse, sinceMs, nowMs, maxWaitMs: this.#around.maxWaitMs });
  }

  /** Says on the node what it may mount; what is about to be detached no longer. */
  async #report(node: Node, keep: readonly VolumeAttachment[]): Promise<void> {
    const names = keep
      .filter(a => a.status?.attached && !a.metadata.deletionTimestamp)
      .map(a => this.#uniqueName(a))
      .filter(n => n !== undefined);
    const shown = (node.status?.volumesAttached ?? []).map(v => v.name);
    if (names.length === shown.length && names.every(n => shown.includes(n))) return;
    const volumesAttached: AttachedVolume[] = names.sort().map(n => ({ name: n, devicePath: '' }));
    const body = { status: { volumesAttached: volumesAttached.length > 0 ? volumesAttached : null } };
    const key = { name: node.metadata.name };
    await this.#context.client
      .patch(coreV1.nodes, key, { type: 'strategic', body }, { subresource: 'status' })
      .catch(error => {
        if (!isNotFound(error)) throw error;
      });
  }

  async #detach(attachment: VolumeAttachment, { forced }: DetachStep, node: Node | undefined): Promise<void> {
    const { name, uid } = attachment.metadata;
    const { client, log } = this.#context;
    // The node may have begun to use it just now; its status will tell.
    if (!forced && node && (await this.#isInUse(attachment))) return;
    if (forced) {
      log.warn('detaching a volume that its node may use', { attachment: name, why: forced });
      this.#forced.inc({ reason: forced });
    }
    try {
      await client.delete(storageV1.volumeattachments, { name }, { preconditions: { uid: uid! } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async #isInUse(attachment: VolumeAttachment): Promise<boolean> {
    try {
      const node = await this.#context.client.get(coreV1.nodes, { name: attachment.spec.nodeName });
      return this.#isAmong(attachment, node.status?.volumesInUse ?? []);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** A volume that is not in sight may be any of them. */
  #isAmong(attachment: VolumeAttachment, inUse: readonly string[]): boolean {
    const volume = this.#uniqueName(attachment);
    return volume === undefined ? inUse.length > 0 : inUse.includes(volume);
  }

  /** Resolves with when to look again. */
  async #attach(id: string, need: Needed, node: string, memory: NodeMemory): Promise<number | undefined> {
    const { volume, pods } = need;
    const attachment = this.#context.lister(storageV1.volumeattachments).get(id);
    if (attachment?.metadata.deletionTimestamp) return undefined;
    if (attachment?.status?.attached) {
      memory.told.delete(id);
      // What was attached before this controller began is no news.
      if (memory.attempts.delete(id))
        this.#tell(pods, 'Normal', 'SuccessfulAttachVolume', () => attached(nameOf(volume)));
      return undefined;
    }
    const nowMs = this.#context.clock.monotonic();
    const attempt = memory.attempts.get(id) ?? firstAttempt(nowMs);
    if (attachment) return this.#await(attachment, need, attempt, memory);
    if (nowMs < attempt.startedMs) return attempt.startedMs - nowMs;
    if (!mayAttachToMany(volume) && this.#isElsewhere(id, need, node, memory)) return undefined;
    return this.#create(id, need, node, { ...attempt, startedMs: nowMs }, memory);
  }

  async #create(
    id: string,
    need: Needed,
    node: string,
    attempt: Attempt,
    memory: NodeMemory,
  ): Promise<number | undefined> {
    const asked = this.#asked.getOrInsertComputed(nameOf(need.volume), () => new Map());
    const askedMs = asked.get(node);
    if (askedMs !== undefined && attempt.startedMs - askedMs < silenceMs)
      return askedMs + silenceMs - attempt.startedMs;
    asked.set(node, attempt.startedMs);
    memory.attempts.set(id, attempt);
    try {
      await this.#context.client.create(storageV1.volumeattachments, newAttachment(id, need.volume, node));
    } catch (error) {
      this.#answered(nameOf(need.volume), node);
      if (!isAlreadyExists(error)) return this.#failed(id, need, attempt, messageOf(error), memory);
    }
    return undefined;
  }

  #answered(volume: string, node: string): void {
    const asked = this.#asked.get(volume);
    asked?.delete(node);
    if (asked?.size === 0) this.#asked.delete(volume);
  }

  #await(attachment: VolumeAttachment, need: Needed, attempt: Attempt, memory: NodeMemory): number {
    const { name } = attachment.metadata;
    memory.attempts.set(name, attempt);
    const result = attemptResult(attachment, attempt, this.#context.clock.monotonic());
    if (result.do === 'wait') return result.afterMs;
    const { driver, volumeHandle } = need.volume.spec!.csi!;
    return this.#failed(name, need, attempt, result.message ?? attachTimedOut(driver, volumeHandle), memory);
  }

  #failed(id: string, { volume, pods }: Needed, attempt: Attempt, why: string, memory: NodeMemory): number {
    const nowMs = this.#context.clock.monotonic();
    const next = nextAttempt(attempt, nowMs);
    memory.attempts.set(id, next);
    this.#tell(pods, 'Warning', 'FailedAttachVolume', () => attachFailed(nameOf(volume), why));
    return next.startedMs - nowMs;
  }

  /** Only one node may have it, and another one has; the pods here are told once. */
  #isElsewhere(id: string, { volume, pods }: Needed, node: string, memory: NodeMemory): boolean {
    const others = this.#context
      .lister(storageV1.volumeattachments)
      .byIndex(attachmentsByVolume, nameOf(volume))
      .filter(a => a.spec.nodeName !== node);
    if (others.length === 0) return [...(this.#asked.get(nameOf(volume))?.keys() ?? [])].some(n => n !== node);
    // While it is being attached or detached there, that is no error.
    const settled = others.some(a => !a.metadata.deletionTimestamp && (a.status?.attached || a.status?.attachError));
    if (!settled || memory.told.has(id)) return true;
    memory.told.add(id);
    const users = this.#around
      .podsWith(volume)
      .filter(p => isUser(p) && others.some(a => a.spec.nodeName === p.spec?.nodeName));
    this.#tell(pods, 'Warning', 'FailedAttachVolume', pod => multiAttach(nameOf(volume), pod, users));
    return true;
  }

  #tell(pods: readonly Pod[], type: 'Normal' | 'Warning', reason: string, message: (pod: Pod) => string): void {
    for (const pod of pods) this.#context.events.event(referenceTo(pod, coreV1.pods), type, reason, message(pod));
  }
}

const nameOf = (volume: PersistentVolume): string => volume.metadata.name;
const isUser = ({ status }: Pod): boolean => status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
