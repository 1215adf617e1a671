// Device plugins of this node: who they are, what they offer, and which container has which device.
import { join } from 'node:path';
import { isExtendedResource } from '../../api/rule/core/resource-name.ts';
import type { Container, Pod, ResourceStatus } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';
import { numberOf } from '../kernel/amount.ts';
import { podTotal } from '../kernel/qos.ts';
import type { PluginHandler } from '../plugin/plugin-watcher.ts';
import type { HintProvider } from '../topology/hint-provider.ts';
import type { Hints, NodeMask } from '../topology/kernel/hint.ts';
import type { MachineTopology } from '../topology/kernel/machine-topology.ts';
import { Checkpoint } from './checkpoint.ts';
import { DeviceEndpoint } from './device-endpoint.ts';
import { deviceApiVersion } from './device-plugin-api.ts';
import {
  type Assignment,
  type Choice,
  type ContainerAllocation,
  type Counts,
  DeviceBook,
} from './kernel/device-book.ts';
import { deviceHints } from './kernel/device-hints.ts';
import { KeyedLock } from './keyed-lock.ts';

export interface DeviceManagerOptions {
  /** `<kubelet root>/device-plugins` */
  readonly directory: string;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: nobody asks where devices are. */
  readonly topology?: MachineTopology;
  /** Pods that may hold devices. */
  activePods(): readonly Pod[];
  /** The node has more or fewer devices than before. */
  onCapacity(): void;
  /** The health of a device of that pod is another one than before. */
  onHealth(podUid: string): void;
}

interface Registered {
  /** Undefined: known of before a restart only. */
  readonly endpoint: DeviceEndpoint | undefined;
  stoppedAtMs: number | undefined;
}

interface State {
  readonly RegisteredDevices: readonly string[];
  readonly PodDeviceEntries: readonly Assignment[];
}

export interface DeviceCapacity {
  /** Resources whose plugin has been away for too long count nothing, this once. */
  readonly capacity: Counts;
  readonly allocatable: Counts;
}

export const checkpointName = 'kubelet_internal_checkpoint';
/** So long a plugin may be away before its devices are no longer the node's. */
const stopGraceMs = 5 * 60_000;

export class DeviceManager implements HintProvider {
  readonly #o: DeviceManagerOptions;
  readonly #book = new DeviceBook();
  readonly #plugins = new Map<string, Registered>();
  readonly #checkpoint: Checkpoint<State>;
  readonly #lock = new KeyedLock();
  /** Something was given out or taken back that is not on disk. */
  #unsaved = false;
  #stopped = false;

  constructor(options: DeviceManagerOptions) {
    this.#o = options;
    this.#checkpoint = new Checkpoint(join(options.directory, checkpointName), options.host, options.log);
  }

  get book(): DeviceBook {
    return this.#book;
  }

  /** Takes up what was known before a restart: who holds what, and which resources wait for their plugin. */
  async restore(): Promise<void> {
    const state = await this.#checkpoint.read();
    for (const a of state?.PodDeviceEntries ?? []) this.#book.assign(a);
    for (const resource of state?.RegisteredDevices ?? []) {
      this.#book.offer(resource, []);
      this.#plugins.set(resource, { endpoint: undefined, stoppedAtMs: this.#o.clock.monotonic() });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { endpoint } of this.#plugins.values()) endpoint?.stop();
    await this.#checkpoint.idle();
  }

  // ---- plugins ----

  /** A plugin says which resource it has at which socket. Rejects when it does not answer there. */
  async register(resource: string, socket: string): Promise<void> {
    if (!isExtendedResource(resource)) throw new Error(`the ResourceName ${JSON.stringify(resource)} is invalid`);
    const endpoint = new DeviceEndpoint(resource, socket, this.#o.clock);
    await endpoint.connect();
    if (this.#stopped) return endpoint.stop();
    const former = this.#plugins.get(resource);
    this.#plugins.set(resource, { endpoint, stoppedAtMs: undefined });
    former?.endpoint?.stop();
    if (!this.#book.resources.includes(resource)) this.#book.offer(resource, []);
    this.#o.log.info('device plugin registered', { resource, socket });
    void this.#follow(endpoint);
  }

  async #follow(endpoint: DeviceEndpoint): Promise<void> {
    const { resource } = endpoint;
    const isCurrent = () => !this.#stopped && this.#plugins.get(resource)?.endpoint === endpoint;
    let reason = 'the plugin ended';
    try {
      await endpoint.watch(devices => {
        if (isCurrent()) this.#changed(resource, this.#book.offer(resource, devices));
      });
    } catch (error) {
      reason = messageOf(error);
    }
    if (!isCurrent()) return;
    this.#o.log.warn('device plugin is gone', { resource, reason });
    endpoint.stop();
    this.#plugins.get(resource)!.stoppedAtMs = this.#o.clock.monotonic();
    this.#changed(resource, this.#book.doubt(resource));
  }

  #changed(resource: string, ids: ReadonlySet<string>): void {
    if (ids.size === 0) return;
    this.#save();
    this.#o.onCapacity();
    const holders = this.#book.assignments().filter(a => a.resource === resource && a.ids.some(id => ids.has(id)));
    for (const uid of new Set(holders.map(a => a.podUid))) this.#o.onHealth(uid);
  }

  /** Device plugins may register as any plugin does, instead of calling the kubelet. */
  get handler(): PluginHandler {
    return {
      validate: (resource, _endpoint, versions) => {
        if (!versions.includes(deviceApiVersion))
          throw new Error(`manager version, ${deviceApiVersion}, is not among plugin supported versions [${versions}]`);
        if (!isExtendedResource(resource))
          throw new Error(`invalid name of device plugin socket: ${JSON.stringify(resource)}`);
      },
      register: (resource, endpoint) => this.register(resource, endpoint),
      deregister: (resource, endpoint) => {
        const known = this.#plugins.get(resource)?.endpoint;
        if (known?.socket === endpoint) known.stop();
      },
    };
  }

  capacity(): DeviceCapacity {
    const gone: string[] = [];
    for (const [resource, { stoppedAtMs }] of this.#plugins) {
      if (stoppedAtMs === undefined || this.#o.clock.monotonic() - stoppedAtMs < stopGraceMs) continue;
      gone.push(resource);
      this.#plugins.delete(resource);
      this.#book.forget(resource);
    }
    if (gone.length) this.#save();
    const none = Object.fromEntries(gone.map(r => [r, 0]));
    const { capacity, allocatable } = this.#book.counts();
    return { capacity: { ...none, ...capacity }, allocatable: { ...none, ...allocatable } };
  }

  /** How many devices are held: the node has at least so many. */
  held(): Counts {
    const out: Record<string, number> = {};
    for (const resource of new Set(this.#book.assignments().map(a => a.resource)))
      out[resource] = this.#book.inUse(resource).size;
    return out;
  }

  // ---- pods ----

  /** Whether a pod asks for devices that this node's plugins have. */
  concerns(pod: Pod): boolean {
    return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(c => this.#wanted(c).length > 0);
  }

  /** Gives each container its devices; throws why that cannot be, and then the pod holds none. */
  async admit(pod: Pod): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    this.keepOnly(new Set([uid, ...this.#o.activePods().map(p => p.metadata.uid ?? '')]));
    try {
      for (const c of [...(pod.spec.initContainers ?? []), ...pod.spec.containers])
        await this.allocate(pod, c, undefined);
      await this.save();
    } catch (error) {
      this.release(uid);
      throw error;
    }
  }

  keepOnly(uids: ReadonlySet<string>): void {
    if (this.#book.keepOnly(uids)) this.#unsaved = true;
  }

  release(uid: string): void {
    if (this.#book.release(uid)) this.#unsaved = true;
  }

  async save(): Promise<void> {
    if (!this.#unsaved) return;
    this.#unsaved = false;
    await this.#checkpoint.write(() => this.#state());
  }

  containerHints(pod: Pod, container: Container): Hints {
    const request = new Map(this.#wanted(container));
    return this.#o.topology ? deviceHints(this.#book, this.#o.topology, pod, request, container) : {};
  }

  podHints(pod: Pod): Hints {
    return this.#o.topology ? deviceHints(this.#book, this.#o.topology, pod, this.#wantedByPod(pod)) : {};
  }

  /** What the plugins want in a container; asks for devices the container should have and has not. */
  async allocations(pod: Pod, container: Container): Promise<readonly ContainerAllocation[]> {
    const uid = pod.metadata.uid ?? '';
    const wanted = this.#wanted(container);
    if (!wanted.length) return [];
    if (wanted.some(([resource]) => !this.#book.find(uid, container.name, resource))) {
      await this.allocate(pod, container, undefined);
      await this.save();
    }
    for (const [resource] of wanted) {
      const { ids } = this.#book.find(uid, container.name, resource)!;
      const endpoint = this.#plugins.get(resource)?.endpoint;
      try {
        await endpoint?.preStart(ids);
      } catch (error) {
        throw new Error(`device plugin PreStartContainer rpc failed with err: ${messageOf(error)}`, { cause: error });
      }
    }
    return this.#book.ofContainer(uid, container.name).map(a => a.allocation);
  }

  health(podUid: string, container: string): readonly ResourceStatus[] {
    return this.#book.ofContainer(podUid, container).map(a => ({
      name: a.resource,
      resources: a.ids.map(id => {
        const device = this.#book.device(a.resource, id);
        return { resourceID: id, health: device ? (device.healthy ? 'Healthy' : 'Unhealthy') : 'Unknown' };
      }),
    }));
  }

  #wanted(container: Container): readonly (readonly [string, number])[] {
    return Object.entries(container.resources?.limits ?? {})
      .map(([resource, quantity]) => [resource, numberOf(quantity)] as const)
      .filter(([resource, count]) => count > 0 && isExtendedResource(resource) && this.#book.isManaged(resource))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The most that its containers have at one time. */
  #wantedByPod({ spec }: Pod): ReadonlyMap<string, number> {
    const containers = [...(spec.initContainers ?? []), ...spec.containers];
    const names = new Set(containers.flatMap(c => this.#wanted(c).map(([resource]) => resource)));
    return new Map([...names].map(name => [name, podTotal({ ...spec, overhead: {} }, 'limits', name)]));
  }

  allocate(pod: Pod, container: Container, nodes: NodeMask | undefined): Promise<void> {
    return this.#lock.run(['admission'], async () => {
      for (const [resource, required] of this.#wanted(container)) {
        const holder = { podUid: pod.metadata.uid ?? '', container: container.name, resource };
        const choice = this.#book.choose(holder, required, this.#book.reusable(pod, container, resource));
        if (!choice) continue;
        const endpoint = this.#plugins.get(resource)?.endpoint;
        if (!endpoint) throw new Error(`unknown Device Plugin ${resource}`);
        const ids = await this.#chosen(endpoint, required, choice, nodes);
        const allocation = await endpoint.allocate(ids);
        this.#book.assign({ ...holder, ids, allocation });
        this.#unsaved = true;
      }
    });
  }

  /** Those near come first, and of several what the plugin prefers. */
  async #chosen(
    endpoint: DeviceEndpoint,
    required: number,
    { reused, missing, available }: Choice,
    nodes: NodeMask | undefined,
  ): Promise<readonly string[]> {
    if (missing === 0) return reused;
    const near = this.#book.near(endpoint.resource, available, nodes);
    const enough = near.length >= missing;
    const must = enough ? reused : [...reused, ...near];
    const offered = enough ? near : available;
    const preferred = await endpoint.preferred([...new Set([...offered, ...reused])].sort(), must, required);
    const liked = (preferred ?? []).filter(id => offered.includes(id));
    return [...new Set([...must, ...liked, ...near, ...available])].slice(0, required);
  }

  #state(): State {
    return { RegisteredDevices: this.#book.resources, PodDeviceEntries: this.#book.assignments() };
  }

  #save(): void {
    this.#checkpoint
      .write(() => this.#state())
      .catch(error => this.#o.log.warn('writing the device checkpoint failed', { error: messageOf(error) }));
  }
}
