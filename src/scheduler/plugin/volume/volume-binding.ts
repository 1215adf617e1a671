import { keyOf } from '../../../api/meta.ts';
import { coreV1 } from '../../../api/refs.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';
import type { Timer } from '../../../base/clock.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action, type RegisteredEvent } from '../../cluster-event.ts';
import type { CycleState, Handle, Plugin } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { errorStatus, type Status, skip, unresolvable } from '../../status.ts';
import { usesClaim } from './claim-hint.ts';
import { isBound } from './volume-lister.ts';
import { selectedNode, type VolumePlan, VolumePlanner } from './volume-plan.ts';

const name = 'VolumeBinding';
const stateKey = 'PreFilterVolumeBinding';
const unboundImmediate = unresolvable(name, 'pod has unbound immediate PersistentVolumeClaims');
const boundByController = 'pv.kubernetes.io/bound-by-controller';

/** VolumeBindingArgs of kubescheduler.config.k8s.io/v1. */
export interface VolumeBindingArgs {
  readonly bindTimeoutSeconds?: number;
}

/** Of one cycle. Plans are by node and made anew by each filter; the one of the chosen node is carried out. */
interface Claims {
  readonly bound: readonly PersistentVolumeClaim[];
  readonly waiting: readonly PersistentVolumeClaim[];
  readonly plans: Map<string, VolumePlan>;
}

/** Finds nodes that the pod's volumes reach, or can be made on; binds claims that waited for a node. */
export function volumeBinding(handle: Handle, args: unknown): Plugin {
  return new VolumeBinding(handle, ((args as VolumeBindingArgs | undefined)?.bindTimeoutSeconds ?? 600) * 1000);
}

class VolumeBinding implements Plugin {
  readonly name = name;
  readonly #handle: Handle;
  readonly #timeoutMs: number;
  readonly #planner: VolumePlanner;

  constructor(handle: Handle, timeoutMs: number) {
    this.#handle = handle;
    this.#timeoutMs = timeoutMs;
    this.#planner = new VolumePlanner(handle.informers);
  }

  preFilter(state: CycleState, pod: PodInfo) {
    if (pod.claims.length === 0) return { status: skip };
    const { listers } = this.#planner;
    const status = listers.missing(name, pod);
    if (status) return { status };
    const bound: PersistentVolumeClaim[] = [];
    const waiting: PersistentVolumeClaim[] = [];
    for (const claimName of pod.claims) {
      const claim = listers.claim(pod, claimName)!;
      if (isBound(claim)) bound.push(claim);
      else if (!claim.spec.volumeName && listers.waitsForConsumer(claim)) waiting.push(claim);
      else return { status: unboundImmediate };
    }
    const claims: Claims = { bound, waiting, plans: new Map() };
    state.write(stateKey, claims);
    return undefined;
  }

  filter(state: CycleState, _pod: PodInfo, { node }: NodeInfo): Status | undefined {
    const claims = state.read<Claims>(stateKey);
    if (!claims) return undefined;
    const why = this.#planner.boundConflict(claims.bound, node!);
    if (why) return unresolvable(name, why);
    if (claims.waiting.length === 0) return undefined;
    const plan = this.#planner.plan(claims.waiting, node!);
    if (typeof plan === 'string') return unresolvable(name, plan);
    claims.plans.set(node!.metadata.name!, plan);
    return undefined;
  }

  reserve(state: CycleState, _pod: PodInfo, nodeName: string): Status | undefined {
    const plan = state.read<Claims>(stateKey)?.plans.get(nodeName);
    if (!plan) return undefined;
    for (const [claim, volume] of plan.bind) this.#planner.promisedVolumes.set(volume.metadata.name!, claim);
    for (const claim of plan.provision) this.#planner.promisedNodes.set(keyOf(claim), nodeName);
    return undefined;
  }

  unreserve(state: CycleState, _pod: PodInfo, nodeName: string): void {
    const plan = state.read<Claims>(stateKey)?.plans.get(nodeName);
    if (plan) this.#release(plan);
  }

  #release(plan: VolumePlan): void {
    for (const volume of plan.bind.values()) this.#planner.promisedVolumes.delete(volume.metadata.name!);
    for (const claim of plan.provision) this.#planner.promisedNodes.delete(keyOf(claim));
  }

  preBindPreFlight(state: CycleState, _pod: PodInfo, nodeName: string): Status | undefined {
    return state.read<Claims>(stateKey)?.plans.has(nodeName) ? undefined : skip;
  }

  async preBind(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined> {
    const claims = state.read<Claims>(stateKey);
    const plan = claims?.plans.get(nodeName);
    if (!claims || !plan) return undefined;
    try {
      for (const [claim, volume] of plan.bind) await this.#claimVolume(claim, volume);
      const selected = new Map<string, PersistentVolumeClaim>();
      for (const claim of plan.provision) selected.set(keyOf(claim), await this.#select(claim, nodeName));
      await this.#whenBound(claims.waiting, selected);
      this.#release(plan);
      return undefined;
    } catch (error) {
      this.#handle.metrics.volumeStageFailed('bind');
      this.#handle.log.warn('binding volumes failed', { pod: pod.key, error });
      return errorStatus(name, error);
    }
  }

  /** The volume names the claim; the volume controller does the rest. */
  async #claimVolume(key: string, volume: PersistentVolume): Promise<void> {
    const claim = this.#planner.listers.claims.get(key);
    if (!claim) throw new Error(`binding volumes: persistentvolumeclaim "${key}" not found`);
    const { namespace, name: claimName, uid, resourceVersion } = claim.metadata;
    await this.#handle.client.update<PersistentVolume>(coreV1.persistentvolumes, {
      ...volume,
      metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, [boundByController]: 'yes' } },
      spec: {
        ...volume.spec,
        claimRef: {
          kind: 'PersistentVolumeClaim',
          apiVersion: 'v1',
          namespace: namespace!,
          name: claimName,
          uid: uid!,
          resourceVersion: resourceVersion!,
        },
      },
    } as object);
  }

  /** Tells the provisioner where; the claim as it is then. */
  async #select(claim: PersistentVolumeClaim, node: string): Promise<PersistentVolumeClaim> {
    if (claim.metadata.annotations?.[selectedNode] === node) return claim;
    const { namespace, name: claimName } = claim.metadata;
    const body = { metadata: { annotations: { [selectedNode]: node } } };
    const key = { namespace: namespace!, name: claimName! };
    return this.#handle.client.patch(coreV1.persistentvolumeclaims, key, { type: 'merge', body });
  }

  /** Resolves when all are bound; rejects after the time-out, or when a claim has gone or lost its node. */
  async #whenBound(
    claims: readonly PersistentVolumeClaim[],
    selected: ReadonlyMap<string, PersistentVolumeClaim>,
  ): Promise<void> {
    const { clock, informers, stopping } = this.#handle;
    const informer = informers.informer(coreV1.persistentvolumeclaims);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = () => {
      const now = claims.map(c => informer.lister.get(keyOf(c)));
      const lost = claims.find((c, i) => now[i]?.metadata.uid !== c.metadata.uid);
      if (lost) reject(new Error(`binding volumes: persistentvolumeclaim "${lost.metadata.name}" not found`));
      else if (now.every(c => isBound(c!))) resolve();
      else {
        const failed = now.find(c => wasGivenUp(c!, selected.get(keyOf(c!))));
        if (failed) reject(new Error(`provisioning failed for PVC ${JSON.stringify(failed.metadata.name)}`));
      }
    };
    const stop = informer.addHandler({ onUpdate: check, onDelete: check });
    const timer: Timer = clock.after(this.#timeoutMs, () =>
      reject(new Error('binding volumes: context deadline exceeded')),
    );
    const stopped = () => reject(new Error('binding volumes: context canceled'));
    stopping.addEventListener('abort', stopped, { once: true });
    check();
    try {
      await promise;
    } finally {
      timer.cancel();
      stopping.removeEventListener('abort', stopped);
      stop();
    }
  }

  eventsToRegister(): readonly RegisteredEvent[] {
    return [
      { resource: 'StorageClass', actions: action.add | action.update },
      { resource: 'PersistentVolumeClaim', actions: action.add | action.update, hint: usesClaim },
      { resource: 'PersistentVolume', actions: action.add | action.update },
      { resource: 'Node', actions: action.add | action.updateNodeLabel },
      { resource: 'CSINode', actions: action.add | action.update },
      { resource: 'CSIDriver', actions: action.update },
      { resource: 'CSIStorageCapacity', actions: action.add | action.update },
    ];
  }
}

/** The provisioner takes the node back from a claim when it cannot make a volume there: another is to be chosen. */
function wasGivenUp(now: PersistentVolumeClaim, selected: PersistentVolumeClaim | undefined): boolean {
  if (!selected || isBound(now)) return false;
  const isOlder = Number(now.metadata.resourceVersion) < Number(selected.metadata.resourceVersion);
  return !isOlder && now.metadata.annotations?.[selectedNode] !== selected.metadata.annotations?.[selectedNode];
}
