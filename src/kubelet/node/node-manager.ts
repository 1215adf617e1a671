// This node's Node object: registration and status.
import { cloneDeep, formatTime } from '../../api/meta.ts';
import { canonicalQuantity } from '../../api/quantity.ts';
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { Node, NodeAddress, NodeStatus, Taint } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { abortsWith } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import type { StatusResponse, VersionResponse } from '../../cri/type.ts';
import type { DeviceCapacity } from '../device/device-manager.ts';
import { eventOf, nodeConditions, type Pressure, timedConditions } from '../kernel/node-condition.ts';
import { allocatableOf, capacityOf, type NodeSize, nodeImages, withExtended } from '../kernel/node-resource.ts';
import { statusChanges } from '../kernel/node-status-patch.ts';
import type { MachineInfo } from '../option.ts';

export interface NodeManagerOptions {
  readonly nodeName: string;
  readonly client: Client;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly machine: MachineInfo;
  readonly maxPods: number;
  /** So many are told of; -1: all. */
  readonly maxImages: number;
  readonly reserved: readonly Readonly<Record<string, string>>[];
  readonly evictionHard: Readonly<Record<string, string>>;
  readonly nodeIps: readonly string[];
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly schedulable: boolean;
  readonly providerId: string | undefined;
  readonly port: number;
  readonly version: string;
  readonly updateMs: number;
  readonly reportMs: number;
  pressure(): Pressure;
  /** Those that controllers must not detach; undefined while that is not known. */
  volumesInUse?(): readonly string[] | undefined;
  /** What keeps the node from being ready, besides the runtime's own state. */
  problems(): readonly string[];
  /** Absent: no device plugins here. */
  readonly devices?: { capacity(): DeviceCapacity };
}

/** What the scheduler keeps pods to that need it, and the API server their changes. Sorted. */
const declaredFeatures = [
  'InPlacePodLevelResourcesVerticalScaling',
  'InPlacePodVerticalScalingInitContainers',
  'RestartAllContainersOnContainerExits',
];
const registerRetryMs = 7000;
const firstReadyPollMs = 100;
const firstReadyMs = 120_000;

export class NodeManager {
  readonly #o: NodeManagerOptions;
  #version: VersionResponse = {};
  #status: StatusResponse = {};
  #runtimeError = 'container runtime status check may not have completed yet';
  #networkError = '';
  #node: Node | undefined;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;
  /** Something changed while the status was being published. */
  #hastened = false;
  #lastReady: string | undefined;
  #lastUnschedulable = false;
  readonly allocatable: Readonly<Record<string, string>>;
  /** As the API server keeps them: what is written differently would be reported as a change each time. */
  readonly #capacity: Readonly<Record<string, string>>;
  readonly #allocatable: Readonly<Record<string, string>>;

  constructor(options: NodeManagerOptions) {
    this.#o = options;
    const size: NodeSize = { ...options.machine, maxPods: options.maxPods };
    this.allocatable = allocatableOf(size, options.reserved, options.evictionHard);
    this.#capacity = canonical(capacityOf(size));
    this.#allocatable = canonical(this.allocatable);
  }

  /** The registered object as last seen. */
  get node(): Node | undefined {
    return this.#node;
  }

  /** What the runtime says of a handler; '' is its default. */
  handlerFeatures(name: string) {
    return this.#status.runtime_handlers?.find(h => (h.name ?? '') === name)?.features;
  }

  /** Undefined when the runtime does not tell of its handlers. */
  userNamespaces(handler: string): boolean | undefined {
    if (!this.#status.runtime_handlers?.length) return undefined;
    return this.handlerFeatures(handler)?.user_namespaces ?? false;
  }

  get runtimeName(): string {
    return this.#version.runtime_name || 'containerd';
  }

  /** Why the pod network is not ready; empty when it is. */
  networkError(): string {
    return this.#networkError;
  }

  /** Asks the runtime who and how it is. Never rejects. */
  async checkRuntime(): Promise<void> {
    try {
      this.#version = await this.#o.runtime.Version({});
      this.#status = await this.#o.runtime.Status({});
      this.#runtimeError = this.#lack('RuntimeReady', 'container runtime');
      this.#networkError = this.#lack('NetworkReady', 'container runtime network');
    } catch (error) {
      this.#runtimeError = `container runtime is down: ${messageOf(error)}`;
    }
  }

  #lack(type: string, what: string): string {
    const c = this.#status.status?.conditions?.find(x => x.type === type);
    return c && !c.status ? `${what} not ready: ${type}=false reason:${c.reason ?? ''} message:${c.message ?? ''}` : '';
  }

  /** Publish the status now, as something of it has changed. */
  hasten(): void {
    this.#hastened = true;
    this.#wake?.();
  }

  /** Creates the Node, or makes the one that exists ours. Tries until it works. */
  async register(signal: AbortSignal): Promise<void> {
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        await this.#register();
        return;
      } catch (error) {
        this.#o.log.warn('registering the node failed', { node: this.#o.nodeName, error: messageOf(error) });
        await this.#o.clock.sleep(Math.min(registerRetryMs, 100 * 2 ** tries), signal).catch(() => {});
      }
    }
  }

  async #register(): Promise<void> {
    const { client, nodeName, log } = this.#o;
    const wanted = await this.#initial();
    try {
      this.#node = await client.create(coreV1.nodes, cloneDeep(wanted));
      log.info('registered node', { node: nodeName });
      // Creation drops the status of servers that keep it for the subresource.
      if (!this.#node.status?.conditions?.length) await this.#publish(true);
      this.#reportedAtMs = this.#o.clock.now();
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    const existing = await client.get(coreV1.nodes, { name: nodeName });
    this.#node = existing;
    const rebooted = existing.status?.nodeInfo?.bootID;
    if (rebooted && rebooted !== this.#o.machine.bootId)
      this.#event('Warning', 'Rebooted', `Node ${nodeName} has been rebooted, boot id: ${this.#o.machine.bootId}`);
    const labels = changed(existing.metadata.labels, this.#labels());
    const annotations = changed(existing.metadata.annotations, this.#annotations());
    if (labels || annotations) {
      const metadata = { ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
      this.#node = await client.patch(coreV1.nodes, { name: nodeName }, { type: 'strategic', body: { metadata } });
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const first = this.#untilReady(signal);
    while (!signal.aborted) {
      this.#hastened = false;
      await this.checkRuntime();
      try {
        await this.#publish(false);
      } catch (error) {
        this.#o.log.warn('updating the node status failed', { error: messageOf(error) });
        if (isNotFound(error)) await this.register(signal);
      }
      await this.#pause(signal);
    }
    await first;
  }

  /** Until the node is first ready, looks often and tells at once. */
  async #untilReady(signal: AbortSignal): Promise<void> {
    const { clock } = this.#o;
    const startMs = clock.monotonic();
    while (!signal.aborted && clock.monotonic() - startMs < firstReadyMs) {
      await clock.sleep(firstReadyPollMs, signal).catch(() => {});
      await this.checkRuntime();
      if (!this.#errors().length) return this.hasten();
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    if (this.#hastened) return;
    const { controller, release } = abortsWith(signal);
    this.#wake = () => controller.abort();
    await this.#o.clock.sleep(this.#o.updateMs, controller.signal).catch(() => {});
    this.#wake = undefined;
    release();
  }

  #labels(): Readonly<Record<string, string>> {
    const { machine, hostname, labels } = this.#o;
    return {
      'beta.kubernetes.io/arch': machine.architecture,
      'beta.kubernetes.io/os': machine.operatingSystem,
      'kubernetes.io/arch': machine.architecture,
      'kubernetes.io/hostname': hostname,
      'kubernetes.io/os': machine.operatingSystem,
      ...labels,
    };
  }

  #annotations(): Readonly<Record<string, string>> {
    return { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true', ...this.#o.annotations };
  }

  async #initial(): Promise<Node> {
    const { nodeName, providerId, schedulable, taints } = this.#o;
    const cordon: readonly Taint[] = schedulable
      ? []
      : [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as Taint];
    const all = [...taints, ...cordon];
    return {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: { name: nodeName, labels: this.#labels(), annotations: this.#annotations() },
      spec: {
        ...(providerId ? { providerID: providerId } : {}),
        ...(schedulable ? {} : { unschedulable: true }),
        ...(all.length ? { taints: all } : {}),
      },
      status: await this.#makeStatus(undefined),
    } as Node;
  }

  #addresses(): readonly NodeAddress[] {
    return [
      ...this.#o.nodeIps.map(address => ({ type: 'InternalIP', address }) as NodeAddress),
      { type: 'Hostname', address: this.#o.hostname } as NodeAddress,
    ];
  }

  #conditionsNow() {
    return nodeConditions(this.#o.pressure(), this.#errors());
  }

  #errors(): string[] {
    return [this.#runtimeError, this.networkError(), ...this.#o.problems()].filter(e => e !== '');
  }

  async #makeStatus(old: NodeStatus | undefined): Promise<NodeStatus> {
    const { machine, version, port, runtime, clock, devices } = this.#o;
    let images = old?.images;
    try {
      images = nodeImages((await runtime.ListImages({})).images ?? [], this.#o.maxImages);
    } catch {
      // A runtime that is down keeps the images it had.
    }
    const handlers = (this.#status.runtime_handlers ?? []).map(h => ({
      name: h.name ?? '',
      features: {
        recursiveReadOnlyMounts: h.features?.recursive_read_only_mounts ?? false,
        userNamespaces: h.features?.user_namespaces ?? false,
      },
    }));
    const policy = this.#status.features?.supplemental_groups_policy;
    return {
      ...withExtended(old, this.#capacity, this.#allocatable, devices?.capacity()),
      conditions: timedConditions(old?.conditions, this.#conditionsNow(), formatTime(clock.now())),
      addresses: this.#addresses(),
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      declaredFeatures,
      nodeInfo: {
        machineID: machine.machineId,
        systemUUID: machine.systemUuid,
        bootID: machine.bootId,
        kernelVersion: machine.kernelVersion,
        osImage: machine.osImage,
        containerRuntimeVersion: `${this.runtimeName}://${this.#version.runtime_version ?? 'Unknown'}`,
        kubeletVersion: version,
        kubeProxyVersion: '',
        operatingSystem: machine.operatingSystem,
        architecture: machine.architecture,
        ...(machine.swapBytes ? { swap: { capacity: machine.swapBytes } } : {}),
      },
      images: images ?? [],
      ...(handlers.length ? { runtimeHandlers: handlers } : {}),
      ...(policy !== undefined ? { features: { supplementalGroupsPolicy: policy } } : {}),
      ...this.#volumesInUse(old),
    } as NodeStatus;
  }

  #volumesInUse(old: NodeStatus | undefined): object {
    const now = this.#o.volumesInUse?.();
    if (!now) return {};
    if (now.length) return { volumesInUse: now };
    // What the patch takes away.
    return old?.volumesInUse?.length ? { volumesInUse: null } : {};
  }

  async #publish(force: boolean): Promise<void> {
    const { client, nodeName, clock, reportMs } = this.#o;
    const current = await client.get(coreV1.nodes, { name: nodeName });
    this.#node = current;
    const next = await this.#makeStatus(current.status);
    const due = clock.now() - this.#reportedAtMs >= reportMs;
    const body = statusChanges(current.status ?? {}, next, force || due);
    this.#tell(current.status?.conditions, next);
    this.#tellSchedulable(current.spec?.unschedulable ?? false);
    if (!body) return;
    this.#node = await client.patch(
      coreV1.nodes,
      { name: nodeName },
      { type: 'strategic', body: { status: body } },
      { subresource: 'status' },
    );
    this.#reportedAtMs = clock.now();
  }

  /** Events for conditions that have changed since this kubelet looked last. */
  #tell(old: NodeStatus['conditions'], next: NodeStatus): void {
    const { nodeName } = this.#o;
    for (const c of next.conditions ?? []) {
      const stored = old?.find(o => o.type === c.type)?.status;
      // The stored one may be what this kubelet registered with; or Unknown, of a node that was not heard of.
      const isNews = stored === undefined || this.#lastReady !== c.status;
      const before = c.type === 'Ready' && isNews ? this.#lastReady : stored;
      if (c.type === 'Ready') this.#lastReady = c.status;
      if (before === c.status || (before === undefined && c.type === 'Ready' && c.status !== 'True')) continue;
      const reason = eventOf(c.type, c.status);
      if (reason) this.#event('Normal', reason, `Node ${nodeName} status is now: ${reason}`);
    }
  }

  #tellSchedulable(unschedulable: boolean): void {
    if (unschedulable === this.#lastUnschedulable) return;
    this.#lastUnschedulable = unschedulable;
    const reason = unschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable';
    this.#event('Normal', reason, `Node ${this.#o.nodeName} status is now: ${reason}`);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#o.events.event(nodeReference(this.#o.nodeName), type, reason, message);
  }

  /** Events of the node. */
  warn(reason: string, message: string): void {
    this.#event('Warning', reason, message);
  }

  tell(reason: string, message: string): void {
    this.#event('Normal', reason, message);
  }

  /** The events of a start, as Kubernetes tells them. */
  announce(): void {
    const { nodeName } = this.#o;
    this.#event('Normal', 'Starting', 'Starting kubelet.');
    for (const reason of ['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID'])
      this.#event('Normal', reason, `Node ${nodeName} status is now: ${reason}`);
    this.#event('Normal', 'NodeAllocatableEnforced', 'Updated Node Allocatable limit across pods');
  }
}

export const nodeReference = (name: string) => ({ kind: 'Node', apiVersion: 'v1', name, uid: name });

function changed(
  have: Readonly<Record<string, string>> | undefined,
  want: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  const out = Object.fromEntries(Object.entries(want).filter(([k, v]) => have?.[k] !== v));
  return Object.keys(out).length ? out : undefined;
}

const canonical = (list: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(list).map(([name, q]) => [name, canonicalQuantity(q)]));
