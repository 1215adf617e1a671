// Keeps cache and queue up to date with what informers tell.
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, resourceV1, storageV1 } from '../api/refs.ts';
import type { Node, Pod } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { InformerFactory, InformerHandler } from '../client/informer.ts';
import type { Cache } from './cache/cache.ts';
import { action, type ClusterEvent, type EventResource, type RegisteredEvent } from './cluster-event.ts';
import { livePods } from './live-pods.ts';
import { podInfoOf } from './pod-info.ts';
import { nodeUpdateActions, podUpdateActions } from './queue/pod-change.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import type { WaitingPods } from './waiting-pods.ts';

export interface WiringOptions {
  readonly informers: InformerFactory;
  readonly cache: Cache;
  readonly queue: SchedulingQueue;
  readonly waiting: WaitingPods;
  readonly clock: Clock;
  /** Told of how long an event of an informer took. */
  readonly onHandled: (event: string, tookSeconds: number) => void;
  /** Names one of our profiles. */
  readonly isOurs: (pod: Pod) => boolean;
  /** What plugins want to hear of. */
  readonly events: readonly RegisteredEvent[];
}

const eventOf = (resource: EventResource, actions: number, verb: string): ClusterEvent => ({
  resource,
  actions,
  label: `${resource}${verb}`,
});

/** Resources whose events are passed on just as they come. */
const plain: readonly [EventResource, ResourceRef<any>][] = [
  ['PersistentVolume', coreV1.persistentvolumes],
  ['PersistentVolumeClaim', coreV1.persistentvolumeclaims],
  ['StorageClass', storageV1.storageclasses],
  ['CSINode', storageV1.csinodes],
  ['CSIDriver', storageV1.csidrivers],
  ['CSIStorageCapacity', storageV1.csistoragecapacities],
  ['VolumeAttachment', storageV1.volumeattachments],
  ['Service', coreV1.services],
  ['Namespace', coreV1.namespaces],
  ['ResourceClaim', resourceV1.resourceclaims],
  ['ResourceSlice', resourceV1.resourceslices],
  ['DeviceClass', resourceV1.deviceclasses],
];

/** Returns the removals. */
export function wireInformers(o: WiringOptions): (() => void)[] {
  const removals = [wirePods(o), wireNodes(o)];
  const wanted = new Set(o.events.map(e => e.resource));
  for (const [resource, ref] of plain) if (wanted.has(resource)) removals.push(wirePlain(o, resource, ref));
  return removals;
}

function wirePlain({ informers, queue }: WiringOptions, resource: EventResource, ref: ResourceRef<KubeObject>) {
  const add = eventOf(resource, action.add, 'Add');
  const update = eventOf(resource, action.updateOther, 'Update');
  const gone = eventOf(resource, action.delete, 'Delete');
  return informers.informer(ref).addHandler({
    onAdd: object => queue.happened(add, undefined, object),
    onUpdate: (object, old) => queue.happened(update, old, object),
    onDelete: object => queue.happened(gone, object, undefined),
  });
}

/** The same handler, its time taken. */
function timed<T>(resource: EventResource, { clock, onHandled }: WiringOptions, handler: InformerHandler<T>) {
  const run = (verb: string, fn: () => void) => {
    const startMs = clock.monotonic();
    fn();
    onHandled(`${resource}${verb}`, (clock.monotonic() - startMs) / 1000);
  };
  return {
    onAdd: (object: T) => run('Add', () => handler.onAdd?.(object)),
    onUpdate: (object: T, old: T) => run('Update', () => handler.onUpdate?.(object, old)),
    onDelete: (object: T) => run('Delete', () => handler.onDelete?.(object)),
  };
}

function wireNodes(o: WiringOptions) {
  const { informers, cache, queue } = o;
  const add = eventOf('Node', action.add, 'Add');
  const gone = eventOf('Node', action.delete, 'Delete');
  const handler: InformerHandler<Node> = {
    onAdd(node) {
      cache.setNode(node);
      queue.happened(add, undefined, node);
    },
    onUpdate(node, old) {
      const actions = nodeUpdateActions(node, old);
      cache.setNode(node);
      if (actions) queue.happened(eventOf('Node', actions, 'Update'), old, node);
    },
    onDelete(node) {
      cache.removeNode(node.metadata.name!);
      queue.happened(gone, node, undefined);
    },
  };
  return informers.informer<Node>(coreV1.nodes).addHandler(timed('Node', o, handler));
}

function wirePods(o: WiringOptions) {
  const handler = new PodHandler(o);
  const handlers: InformerHandler<Pod> = {
    onAdd: pod => handler.changed(pod, undefined),
    onUpdate: (pod, old) => handler.changed(pod, old),
    onDelete: pod => handler.deleted(pod),
  };
  return o.informers.informer<Pod>(coreV1.pods, livePods).addHandler(timed('Pod', o, handlers));
}

const assignedAdd = eventOf('AssignedPod', action.add, 'Add');
const assignedDelete = eventOf('AssignedPod', action.delete, 'Delete');

class PodHandler {
  readonly #o: WiringOptions;

  constructor(options: WiringOptions) {
    this.#o = options;
  }

  changed(pod: Pod, old: Pod | undefined): void {
    if (!pod.spec.nodeName) this.#unassigned(pod, old);
    else if (old?.spec.nodeName) this.#assignedChanged(pod, old);
    else this.#assigned(pod, old);
  }

  #unassigned(pod: Pod, old: Pod | undefined): void {
    const { cache, queue, isOurs } = this.#o;
    const info = podInfoOf(pod);
    // Being bound just now: what it is bound with is decided.
    if (cache.isAssumed(info.uid)) return;
    if (!isOurs(pod)) return;
    queue.update(info, old && podInfoOf(old));
  }

  /** Bound, by us or by somebody else. */
  #assigned(pod: Pod, old: Pod | undefined): void {
    const { cache, queue, isOurs } = this.#o;
    const info = podInfoOf(pod);
    const assumed = cache.isAssumed(info.uid);
    cache.setPod(info);
    if (old && !assumed && isOurs(pod)) queue.delete(info.uid);
    queue.happened(assignedAdd, undefined, pod);
  }

  #assignedChanged(pod: Pod, old: Pod): void {
    const { cache, queue } = this.#o;
    cache.setPod(podInfoOf(pod));
    const actions = podUpdateActions(pod, old);
    if (actions) queue.happened(eventOf('AssignedPod', actions, 'Update'), old, pod);
  }

  deleted(pod: Pod): void {
    const { cache, queue, waiting } = this.#o;
    const info = podInfoOf(pod);
    if (pod.spec.nodeName) {
      cache.removePod(info.uid);
      queue.delete(info.uid);
      queue.happened(assignedDelete, pod, undefined);
      return;
    }
    queue.delete(info.uid);
    // Bound or being bound without our having seen it.
    cache.forget(info.uid);
    if (waiting.reject(info.uid, '', 'pod deleted')) return;
    queue.happened(eventOf('UnscheduledPod', action.delete, 'Delete'), pod, undefined);
  }
}
